//! What has been seen from outside, and what must hold of it: the log only grows, heads only extend one another, books
//! balance, and a stranger can recompute everything from the public files alone.

use std::collections::BTreeMap;

use assay_ledger::amount::Place;
use assay_ledger::codec;
use assay_ledger::command::{Command, Signed};
use assay_ledger::event::Cause;
use assay_ledger::ids::{AccountId, DatanetId};
use assay_ledger::replay::{Replay, Signatures};
use assay_ledger::state::State;
use assay_node::{CHECKPOINT, LOG_KEY};
use assay_store::TableRef;
use assay_tlog::{
    Checkpoint, Frontier, Hash, TileKind, TileWriter, VerifierKey, bundle, growth, leaf_hash, open_checkpoint,
};
use object_store::path::Path;

use crate::disk::Disk;
use crate::machine::{Broken, require};
use crate::objects::Bucket;
use crate::withdrawn::Passed;

/// An observer of one log.
pub(crate) struct Seen {
    origin: String,
    key: VerifierKey,
    /// Decides every durable command again.
    pub(crate) replay: Replay,
    frontier: Frontier,
    /// Root of the first n entries.
    roots: Vec<Hash>,
    /// Commands by their place.
    commands: BTreeMap<u64, Signed>,
    /// When the hold of each open question expires, in milliseconds, and who asked.
    holds: BTreeMap<u64, (Option<u64>, AccountId, DatanetId)>,
    /// Prices that were taken back by those who had asked.
    pub(crate) taken_back: u64,
    /// Answers that were metered.
    pub(crate) metered: u64,
    passed: Passed,
    /// The newest head that was public.
    pub(crate) head: Option<Checkpoint>,
}

impl Seen {
    pub(crate) fn new(origin: &str, key: VerifierKey) -> Self {
        let frontier = Frontier::new();
        Self {
            origin: origin.to_owned(),
            key,
            replay: Replay::new(State::new(origin), Signatures::Check),
            roots: vec![frontier.root()],
            frontier,
            commands: BTreeMap::new(),
            holds: BTreeMap::new(),
            taken_back: 0,
            metered: 0,
            passed: Passed::default(),
            head: None,
        }
    }

    /// Entries seen.
    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Looks at the disk and at everything that was public since the last look.
    pub(crate) fn look(&mut self, disk: &Disk, public: &Bucket) -> Result<(), Broken> {
        let (size, stored, fresh) = disk.look(|content| {
            let fresh = content.entries.get(self.size() as usize..).unwrap_or_default();
            let fresh: Vec<Vec<u8>> = fresh.iter().map(|(_, bytes)| bytes.clone()).collect();
            (content.entries.len() as u64, content.checkpoint.as_ref().map_or(0, |c| c.size), fresh)
        });
        require(size >= self.size(), || format!("the log had {} entries and has {size}", self.size()))?;
        for bytes in &fresh {
            self.fold(bytes)?;
        }
        for note in public.shown() {
            self.show(&note)?;
        }
        let shown = self.head.as_ref().map_or(0, |head| head.size);
        require(shown <= stored, || format!("{shown} entries were shown, and the store knows of {stored}"))?;
        balanced(self.replay.state())
    }

    fn fold(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let event = codec::decode(bytes).map_err(|e| Broken(format!("an entry does not read: {e}")))?;
        self.replay
            .push(&event)
            .map_err(|e| Broken(format!("an entry is not what its command gives: {e}")))?;
        self.frontier.append(leaf_hash(bytes));
        self.roots.push(self.frontier.root());
        if let Cause::Command(signed) = event.cause {
            self.hold(event.seq, event.t, &signed)?;
            self.passed.note(event.seq, &signed, self.replay.state())?;
            self.commands.insert(event.seq, *signed);
        }
        Ok(())
    }

    /// No price is taken after its hold has expired, and before that nobody but the operator gives it back.
    fn hold(&mut self, seq: u64, t: u64, signed: &Signed) -> Result<(), Broken> {
        let actor = &signed.intent.actor;
        match &signed.intent.command {
            Command::Ask { hold_hours, datanet, .. } => {
                let expires = hold_hours.map(|hours| t + u64::from(hours) * 3_600_000);
                self.holds.insert(seq, (expires, actor.clone(), datanet.clone()));
            }
            Command::Answer { query, .. } => {
                let (expires, ..) = self.holds.remove(query).unwrap();
                require(expires.is_none_or(|e| t < e), || format!("{query} was paid for after its hold"))?;
            }
            Command::Meter { datanet, through, answers, .. } => {
                let closes =
                    |query: &u64, (_, _, of): &mut (_, _, DatanetId)| query <= through && of == datanet;
                let closed: Vec<_> = self.holds.extract_if(.., closes).collect();
                require(closed.len() as u64 == *answers, || {
                    format!("{seq} meters other than {answers} answers")
                })?;
                let late = closed.iter().find(|(_, (expires, ..))| expires.is_some_and(|e| t >= e));
                self.metered += answers;
                require(late.is_none(), || format!("{late:?} was paid for after its hold"))?;
            }
            Command::Release { query, .. } => {
                let (expires, consumer, _) = self.holds.remove(query).unwrap();
                let late = consumer == *actor && expires.is_some_and(|e| t >= e);
                self.taken_back += u64::from(late);
                require(late || self.replay.state().operator() == Some(actor), || {
                    format!("{actor} took the price of question {query} back too early")
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A public checkpoint. One that was torn tells nobody anything.
    fn show(&mut self, note: &[u8]) -> Result<(), Broken> {
        let Ok(head) = open_checkpoint(note, &self.key, &self.origin) else { return Ok(()) };
        let root = self.roots.get(head.size as usize);
        require(root == Some(&head.root), || {
            format!("the head of size {} is not that of the {} durable entries", head.size, self.size())
        })?;
        let before = self.head.as_ref().map_or(0, |head| head.size);
        require(head.size >= before, || format!("the head went back from {before} to {}", head.size))?;
        self.head = Some(head);
        Ok(())
    }

    /// An answer that was given: the command is at that place, durable and public.
    pub(crate) fn acknowledged(&self, signed: &Signed, seq: u64) -> Result<(), Broken> {
        require(self.commands.get(&seq) == Some(signed), || {
            format!("a command was answered with {seq} and is not there")
        })?;
        let shown = self.head.as_ref().map_or(0, |head| head.size);
        require(shown > seq, || format!("entry {seq} was answered for and only {shown} are public"))
    }

    /// Reads the public files and nothing else: every tile byte for byte, every table against its name.
    pub(crate) fn stranger(&self, public: &Bucket) -> Result<(), Broken> {
        let get =
            |name: &str| public.get(&Path::from(name)).ok_or_else(|| Broken(format!("{name} is not public")));
        let head = open_checkpoint(&get(CHECKPOINT)?, &self.key, &self.origin)
            .map_err(|e| Broken(format!("the public checkpoint: {e}")))?;
        require(Some(&head) == self.head.as_ref(), || "another head is public than was shown".to_owned())?;
        require(get(LOG_KEY)? == format!("{}\n", self.key), || "another key is public".to_owned())?;
        let mut entries = Vec::new();
        for tile in growth(0, head.size).filter(|tile| tile.kind() == TileKind::Entries) {
            let bytes = get(&tile.path())?;
            let read = bundle::parse(&bytes, tile.width()).map_err(|e| Broken(e.to_string()))?;
            entries.extend(read.into_iter().map(<[u8]>::to_vec));
        }
        let tiles = tiles_of(&entries).map_err(|e| Broken(e.to_string()))?;
        require(tiles.root == head.root, || "the public entries do not hash to the public head".to_owned())?;
        for path in public.paths() {
            match path.as_ref().split('/').next() {
                Some("tile") => {
                    let same = tiles.files.get(path.as_ref()) == Some(&get(path.as_ref())?.to_vec());
                    require(same, || format!("{path} is not what the entries give"))?;
                }
                Some("tables") => {
                    let extension = path.extension().unwrap_or_default();
                    let named = TableRef::of(&get(path.as_ref())?, extension).path();
                    require(named == path.as_ref(), || format!("{path} does not hash to its name"))?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

struct Tiles {
    root: Hash,
    /// Every tile that the log had at any size.
    files: BTreeMap<String, Vec<u8>>,
}

fn tiles_of(entries: &[Vec<u8>]) -> Result<Tiles, bundle::BundleError> {
    let (mut writer, mut files) = (TileWriter::new(), BTreeMap::new());
    for entry in entries {
        let full = writer.append(entry)?;
        files.extend(full.into_iter().chain(writer.partials()).map(|(tile, bytes)| (tile.path(), bytes)));
    }
    Ok(Tiles { root: writer.root(), files })
}

/// All places sum to zero, `external` alone is below it, and what is held is what open questions paid.
fn balanced(state: &State) -> Result<(), Broken> {
    let mut sum = state.balance(&Place::External);
    require(sum <= 0, || format!("external holds {sum}"))?;
    for (place, amount) in state.balances().iter() {
        require(place != Place::External, || "external has a balance of its own".to_owned())?;
        sum += amount.units() as i128;
    }
    require(sum == 0, || format!("all places sum to {sum}"))?;
    for (id, net) in state.datanets() {
        let open: u128 = net.queries.values().map(|query| query.price.units()).sum();
        let held = state.balance(&Place::Held(id.clone()));
        require(held == open as i128, || format!("{id} holds {held} for questions that paid {open}"))?;
    }
    Ok(())
}
