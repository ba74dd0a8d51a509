//! What an account was paid, and why: opening balances, every posting that touches them, closing balances.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::amount::{Amount, Place, Posting, Sum};
use crate::command::Command;
use crate::event::{Cause, Event, SettledRow};
use crate::ids::{AccountId, DatanetId};
use crate::serve::expiry;

/// The statement of one account. Opening, received and given make closing, place by place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// Whose.
    pub account: AccountId,
    /// The epoch of a datanet that it covers, from its first entry to the last of its settlement; none for everything.
    pub period: Option<(DatanetId, u32)>,
    /// Entries of the log that were read.
    pub size: u64,
    /// Each place of the account that ever held money.
    pub places: BTreeMap<Place, PlaceTotals>,
    /// What moved, in the order of the log.
    pub lines: Vec<Line>,
    /// What settlements found out about the account.
    pub settled: Vec<SettledLine>,
    /// Sums by datanet and epoch, of what moved for a reason in a datanet.
    pub epochs: Vec<EpochTotals>,
    /// Prices that are held at the end, by the place of their questions.
    pub holds: BTreeMap<u64, Hold>,
}

/// A price that is held for a question which is not answered yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// Where it was asked.
    pub datanet: DatanetId,
    /// The price.
    pub amount: Amount,
    /// From when on it can be taken back, milliseconds since 1970, if ever.
    pub expires: Option<u64>,
}

/// What happened to one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlaceTotals {
    /// At the beginning.
    pub opening: Amount,
    /// What came in.
    pub received: Sum,
    /// What went out.
    pub given: Sum,
    /// At the end.
    pub closing: Amount,
}

/// Money that moved from or to the account, or between two of its places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Place of the entry in the log.
    pub seq: u64,
    /// Its time, milliseconds.
    pub t: u64,
    /// What it was for.
    pub item: Item,
    /// In which datanet, if in one.
    pub datanet: Option<DatanetId>,
    /// In which of its epochs.
    pub epoch: Option<u32>,
    /// What moved.
    #[serde(flatten)]
    pub posting: Posting,
}

/// A settlement's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettledLine {
    /// Place of the entry in the log.
    pub seq: u64,
    /// In which datanet.
    pub datanet: DatanetId,
    /// Which epoch was settled.
    pub epoch: u32,
    /// What it meant.
    pub row: SettledRow,
}

/// Sums of one epoch of one datanet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EpochTotals {
    /// Which datanet.
    pub datanet: DatanetId,
    /// Which of its epochs.
    pub epoch: u32,
    /// What moved, by what it was for.
    pub items: BTreeMap<Item, Sum>,
}

/// What money moves for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// From outside to the account.
    Deposit,
    /// From the account to outside.
    Withdrawal,
    /// Put up behind records.
    Bond,
    /// Held for a question.
    Price,
    /// Back from a question without an answer.
    Refund,
    /// Part of an answer's price, waiting for proof.
    AnswerShare,
    /// A trainer's or the operator's part of an answer's price.
    Fee,
    /// Put up to reward value.
    Funding,
    /// Part of the pool, by value.
    PoolShare,
    /// For value, out of what sponsors put up.
    Reward,
    /// Proven: from accrued to free.
    Released,
    /// The bond comes back with the proof.
    BondBack,
    /// Lost, because the records harm.
    Lost,
    /// For decisions on held records.
    ReviewPay,
}

/// Reads a log, entry by entry, for the statement of one account.
#[derive(Clone, Debug)]
pub struct StatementFold {
    statement: Statement,
    /// Whether the last command released a question.
    released: bool,
    /// Its datanet.
    datanet: Option<DatanetId>,
    /// The open epoch of each datanet.
    open: BTreeMap<DatanetId, u32>,
    /// The datanet whose settlement is being read: the next command finds the next epoch.
    settling: Option<DatanetId>,
    totals: BTreeMap<(DatanetId, u32), BTreeMap<Item, Sum>>,
}

impl Statement {
    /// Begins a statement of everything that happened to `account`.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(account: AccountId) -> StatementFold {
        StatementFold::new(account, None)
    }

    /// Begins a statement of one epoch of a datanet: all that happened to `account`, there and elsewhere, from the
    /// epoch's first entry to the last entry of its settlement, so that it closes.
    pub fn of_epoch(account: AccountId, datanet: DatanetId, epoch: u32) -> StatementFold {
        StatementFold::new(account, Some((datanet, epoch)))
    }
}

impl StatementFold {
    fn new(account: AccountId, period: Option<(DatanetId, u32)>) -> Self {
        Self {
            statement: Statement {
                account,
                period,
                size: 0,
                places: BTreeMap::new(),
                lines: Vec::new(),
                settled: Vec::new(),
                epochs: Vec::new(),
                holds: BTreeMap::new(),
            },
            released: false,
            datanet: None,
            open: BTreeMap::new(),
            settling: None,
            totals: BTreeMap::new(),
        }
    }

    /// Takes the next entry of the log.
    pub fn push(&mut self, event: &Event) {
        if let Cause::Command(signed) = &event.cause {
            self.begin(&signed.intent.command);
        }
        self.statement.size = event.seq + 1;
        let phase = self.phase();
        for posting in &event.outcome.postings {
            if [&posting.from, &posting.to].into_iter().any(|place| self.owns(place)) {
                self.moves(posting, phase);
                if phase == Ordering::Equal {
                    self.explain(event, posting);
                }
            }
        }
        if phase == Ordering::Equal {
            self.settles(event);
        }
        if phase != Ordering::Greater {
            self.holds(event);
        }
    }

    fn holds(&mut self, event: &Event) {
        let Cause::Command(signed) = &event.cause else { return };
        match &signed.intent.command {
            Command::Ask { datanet, hold_hours, .. } if signed.intent.actor == self.statement.account => {
                let amount = event.outcome.postings.first().map(|posting| posting.amount).unwrap_or_default();
                let hold = Hold { datanet: datanet.clone(), amount, expires: expiry(event.t, *hold_hours) };
                self.statement.holds.insert(event.seq, hold);
            }
            Command::Answer { query, .. } | Command::Release { query, .. } => {
                self.statement.holds.remove(query);
            }
            Command::Meter { datanet, through, .. } => {
                self.statement.holds.retain(|query, hold| query > through || hold.datanet != *datanet);
            }
            _ => {}
        }
    }

    /// The statement at the end of what was read.
    pub fn finish(self) -> Statement {
        let epochs =
            self.totals.into_iter().map(|((datanet, epoch), items)| EpochTotals { datanet, epoch, items });
        Statement { epochs: epochs.collect(), ..self.statement }
    }

    /// Notes what the next events are about.
    fn begin(&mut self, command: &Command) {
        if let Some(open) = self.settling.take().and_then(|datanet| self.open.get_mut(&datanet)) {
            *open = open.saturating_add(1);
        }
        self.released = matches!(command, Command::Release { .. });
        self.datanet = command.datanet().cloned();
        match command {
            Command::CreateDatanet { datanet, .. } => {
                self.open.insert(datanet.clone(), 1);
            }
            Command::Settle { datanet, .. } => self.settling = Some(datanet.clone()),
            _ => {}
        }
    }

    /// Whether the log is before, within or after the period.
    fn phase(&self) -> Ordering {
        match &self.statement.period {
            None => Ordering::Equal,
            Some((datanet, epoch)) => self.open.get(datanet).unwrap_or(&0).cmp(epoch),
        }
    }

    fn owns(&self, place: &Place) -> bool {
        match place {
            Place::User(account) | Place::Accrued(_, account) | Place::Bond(_, account) => {
                *account == self.statement.account
            }
            Place::External | Place::Held(_) | Place::Pool(_) | Place::Reviews(_) | Place::Reward(_) => false,
        }
    }

    fn moves(&mut self, posting: &Posting, phase: Ordering) {
        let amount = posting.amount;
        for (place, arrives) in [(&posting.from, false), (&posting.to, true)] {
            if phase == Ordering::Greater || !self.owns(place) {
                continue;
            }
            let totals = self.statement.places.entry(place.clone()).or_default();
            totals.closing = match arrives {
                true => totals.closing.saturating_add(amount),
                false => totals.closing.saturating_sub(amount),
            };
            match (phase, arrives) {
                (Ordering::Less, _) => totals.opening = totals.closing,
                (_, true) => totals.received.add(amount),
                (_, false) => totals.given.add(amount),
            }
        }
    }

    fn explain(&mut self, event: &Event, posting: &Posting) {
        let item = self.item(posting);
        let epoch = self.datanet.as_ref().and_then(|datanet| self.open.get(datanet)).copied();
        if let Some(key) = self.datanet.clone().zip(epoch) {
            let items = self.totals.entry(key).or_default();
            items.entry(item).or_default().add(posting.amount);
        }
        self.statement.lines.push(Line {
            seq: event.seq,
            t: event.t,
            item,
            datanet: self.datanet.clone(),
            epoch,
            posting: posting.clone(),
        });
    }

    fn item(&self, posting: &Posting) -> Item {
        match (&posting.from, &posting.to) {
            (Place::External, _) => Item::Deposit,
            (_, Place::External) => Item::Withdrawal,
            (_, Place::Bond(..)) => Item::Bond,
            (_, Place::Held(_)) => Item::Price,
            (_, Place::Reward(_)) => Item::Funding,
            (Place::Held(_), Place::User(_)) if self.released => Item::Refund,
            (Place::Held(_), Place::Accrued(..)) => Item::AnswerShare,
            (Place::Pool(_), _) => Item::PoolShare,
            (Place::Reward(_), _) => Item::Reward,
            (_, Place::Pool(_)) => Item::Lost,
            (Place::Reviews(_), _) => Item::ReviewPay,
            (Place::Accrued(..), _) => Item::Released,
            (Place::Bond(..), _) => Item::BondBack,
            (Place::Held(_) | Place::User(_), _) => Item::Fee,
        }
    }

    fn settles(&mut self, event: &Event) {
        let Some((datanet, &epoch)) = self.datanet.as_ref().and_then(|id| self.open.get_key_value(id)) else {
            return;
        };
        let own = event.outcome.settled.iter().filter(|row| row.account == self.statement.account);
        self.statement.settled.extend(own.map(|row| SettledLine {
            seq: event.seq,
            datanet: datanet.clone(),
            epoch,
            row: row.clone(),
        }));
    }
}
