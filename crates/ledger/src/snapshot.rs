//! Snapshot: the records that passed, frozen.

use crate::datanet::{Datanet, Snapshot};
use crate::decide::View;
use crate::event::Outcome;
use crate::ids::{Digest, TableRef};
use crate::refusal::{Refusal, require, require_field};

pub(crate) fn decide(
    view: &View<'_>,
    net: &Datanet,
    records: u64,
    table: &TableRef,
) -> Result<Outcome, Refusal> {
    let may = view.is_operator() || net.owner == *view.actor;
    view.require_role(may, "the operator or the owner of the datanet")?;
    let passed = net.passed();
    require(passed > 0, || Refusal::rule("no record has passed yet: there is nothing to freeze"))?;
    require_field(records == passed, "records", || {
        format!("is {records}, and {passed} records have passed; a snapshot holds them all")
    })?;
    table.require_rows(records)?;
    Ok(Outcome::default())
}

pub(crate) fn apply(net: &mut Datanet, seq: u64, records: u64, root: &Digest, table: &TableRef) {
    let passed = net.contributors.iter().filter(|(_, contributor)| contributor.passed > 0);
    let counts = passed.map(|(account, contributor)| (account.clone(), contributor.passed)).collect();
    let snapshot = Snapshot { records, root: *root, table: table.clone(), counts };
    net.snapshots.insert(seq, snapshot);
}
