//! The parts of an entry, each with its members in the order of their keys.

use super::wire::{Out, Reader, Wire};
use crate::amount::Posting;
use crate::command::{Benchmark, Command, Credit, Intent, Role, Score, Share, Signed, ValueRow};
use crate::event::{Cause, Event, Outcome, SettledRow, Standing};
use crate::ids::TableRef;
use crate::meter::Metered;

/// Whether names ascend, so that members are in canonical order.
const fn ascending(names: &[&str]) -> bool {
    let mut i = 1;
    while i < names.len() {
        let (a, b) = (names[i - 1].as_bytes(), names[i].as_bytes());
        let mut at = 0;
        while at < a.len() && at < b.len() && a[at] == b[at] {
            at += 1;
        }
        if at == b.len() || (at < a.len() && a[at] > b[at]) {
            return false;
        }
        i += 1;
    }
    true
}

macro_rules! objects {
    ($($name:ident { $first:ident $(, $next:ident)* })*) => {$(
        const _: () = assert!(ascending(&[stringify!($first) $(, stringify!($next))*]));

        impl Wire for $name {
            fn write(&self, out: &mut Out) {
                let Self { $first $(, $next)* } = self;
                $first.write_member(concat!("{\"", stringify!($first), "\":"), out);
                $($next.write_member(concat!(",\"", stringify!($next), "\":"), out);)*
                out.raw("}");
            }

            #[inline]
            fn read(from: &mut Reader<'_>) -> Option<Self> {
                let $first = Wire::read_member(concat!("{\"", stringify!($first), "\":"), from)?;
                $(let $next = Wire::read_member(concat!(",\"", stringify!($next), "\":"), from)?;)*
                from.skip("}")?;
                Some(Self { $first $(, $next)* })
            }
        }
    )*};
}

objects! {
    Event { cause, outcome, seq, t, v }
    Intent { actor, command, nonce, origin }
    TableRef { bytes, rows, sha256 }
    Benchmark { report_root, report_rows, value_root, value_rows }
    Score { accuracy_ppm, gain_microbits, high_microbits, low_microbits }
    ValueRow { account, high_microbits, low_microbits, records, se_microbits, value_microbits }
    Share { account, ppm }
    Credit { account, amount }
    Metered { answer, moved_microbits, query, shares }
    Posting { amount, from, to }
    SettledRow {
        account, accrued, at_stake, high_microbits, lost, low_microbits, pool, released, reward, standing,
        value_microbits, waiting
    }
}

impl Wire for Signed {
    fn write(&self, out: &mut Out) {
        let Self { intent, signature } = self;
        intent.write_member("{\"intent\":", out);
        signature.write_member(",\"signature\":", out);
        out.raw("}");
    }

    #[inline(always)]
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.skip("{\"intent\":")?;
        let intent = from.intent()?;
        let signature = Wire::read_member(",\"signature\":", from)?;
        from.skip("}")?;
        Some(Self { intent, signature })
    }
}

/// Each with its name, its members before `kind`, and those after it.
macro_rules! commands {
    ($($variant:ident $kind:literal { $first:ident $(, $before:ident)*; $($after:ident),* })*) => {
        $(const _: () = assert!(
            ascending(&[stringify!($first), $(stringify!($before),)* "kind" $(, stringify!($after))*])
        );)*

        impl Wire for Command {
            fn write(&self, out: &mut Out) {
                match self {
                    $(Self::$variant { $first $(, $before)* $(, $after)* } => {
                        $first.write_member(concat!("{\"", stringify!($first), "\":"), out);
                        $($before.write_member(concat!(",\"", stringify!($before), "\":"), out);)*
                        out.raw(concat!(",\"kind\":\"", $kind, "\""));
                        $($after.write_member(concat!(",\"", stringify!($after), "\":"), out);)*
                    })*
                }
                out.raw("}");
            }

            #[inline(always)]
            fn read(from: &mut Reader<'_>) -> Option<Self> {
                let command = match std::str::from_utf8(from.ahead(b",\"kind\":")?).ok()? {
                    $($kind => {
                        let $first = Wire::read_member(concat!("{\"", stringify!($first), "\":"), from)?;
                        $(let $before =
                            Wire::read_member(concat!(",\"", stringify!($before), "\":"), from)?;)*
                        from.skip(concat!(",\"kind\":\"", $kind, "\""))?;
                        $(let $after = Wire::read_member(concat!(",\"", stringify!($after), "\":"), from)?;)*
                        Self::$variant { $first $(, $before)* $(, $after)* }
                    })*
                    _ => return None,
                };
                from.skip("}")?;
                Some(command)
            }
        }
    };
}

commands! {
    Found "found" { key; log_key }
    OpenAccount "open_account" { key; }
    RotateKey "rotate_key" { key; proof }
    SetRecovery "set_recovery" { key; proof }
    RecoverKey "recover_key" { key; proof }
    Deposit "deposit" { account, amount; reference }
    Withdraw "withdraw" { amount; reference }
    CreateDatanet "create_datanet" { benchmark, charter, datanet; }
    Appoint "appoint" { account, datanet; role }
    Contribute "contribute" { datanet; records, root, table }
    Gate "gate" { contribution, datanet, held; passed, reasons, rejected, table }
    Review "review" { contribution, datanet, index; pass, reason }
    Retract "retract" { contribution, datanet; reason }
    Snapshot "snapshot" { datanet; records, root, table }
    Train "train" { datanet; recipe, scores, snapshot, weights }
    ValueRows "value_rows" { datanet; model, part, rows }
    Value "value" {
        base_microbits, datanet, full_microbits;
        model, nodes, parts, recipe, sum_microbits, table, withheld_microbits
    }
    Audit "audit" { contributors, coverage_ppm, datanet; rank_ppm, table, valuation }
    Fund "fund" { amount, datanet; }
    Ask "ask" { datanet, hold_hours; price_max, query }
    Answer "answer" { answer, datanet; model, moved_microbits, query, shares }
    MeterRows "meter_rows" { datanet; part, rows }
    Meter "meter" { answers, datanet; model, parts, root, table, through }
    Release "release" { datanet; query, reason }
    Settle "settle" { datanet, epoch; }
    Publish "publish" { datanet; name, table }
}

macro_rules! names {
    ($($name:ident { $($variant:ident $text:literal),* })*) => {$(
        impl Wire for $name {
            fn write(&self, out: &mut Out) {
                out.raw(match self {
                    $(Self::$variant => concat!("\"", $text, "\"")),*
                });
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                match std::str::from_utf8(from.quoted()?).ok()? {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    )*};
}

names! {
    Role { Reviewer "reviewer", Trainer "trainer" }
    Standing { Paid "paid", Unproven "unproven", Harmful "harmful" }
}

impl Wire for Cause {
    fn write(&self, out: &mut Out) {
        match self {
            Self::Command(signed) => signed.write_member("{\"command\":", out),
            Self::Earlier(seq) => seq.write_member("{\"earlier\":", out),
        }
        out.raw("}");
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let cause = match from.skip("{\"earlier\":") {
            Some(()) => Self::Earlier(Wire::read(from)?),
            None => Self::Command(Wire::read_member("{\"command\":", from)?),
        };
        from.skip("}")?;
        Some(cause)
    }
}

/// Lists that are empty are left out.
impl Wire for Outcome {
    fn write(&self, out: &mut Out) {
        let Self { postings, settled } = self;
        out.raw("{");
        if !postings.is_empty() {
            postings.write_member(POSTINGS, out);
        }
        if !settled.is_empty() {
            settled.write_member(after(postings), out);
        }
        out.raw("}");
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.skip("{")?;
        let postings = listed(POSTINGS, from)?;
        let settled = listed(after(&postings), from)?;
        from.skip("}")?;
        Some(Self { postings, settled })
    }
}

const POSTINGS: &str = "\"postings\":";

/// What stands before the rows of a settlement.
fn after(postings: &[Posting]) -> &'static str {
    if postings.is_empty() { "\"settled\":" } else { ",\"settled\":" }
}

/// A list that is not empty if it is there.
fn listed<T: Wire>(prefix: &str, from: &mut Reader<'_>) -> Option<Vec<T>> {
    match from.skip(prefix) {
        Some(()) => Vec::read(from).filter(|list| !list.is_empty()),
        None => Some(Vec::new()),
    }
}
