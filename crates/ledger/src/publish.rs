//! Publish: documents under their hash.

use crate::datanet::{Datanet, Document};
use crate::decide::View;
use crate::event::Outcome;
use crate::ids::{Code, TableRef};
use crate::refusal::Refusal;

pub(crate) fn decide(view: &View<'_>) -> Result<Outcome, Refusal> {
    view.require_operator()?;
    Ok(Outcome::default())
}

pub(crate) fn apply(net: &mut Datanet, seq: u64, name: &Code, table: &TableRef) {
    let document = Document { seq, table: table.clone() };
    net.documents.insert(name.clone(), document);
}
