//! Personal data are taken out where the contributor signs: what is in the log is committed to, and stays as it is.

use assay_ledger::charter::{Charter, Personal, TaskRules};
use assay_quality::PersonalData;
use serde_json::Value;

use crate::task::Record;

/// Replaces personal data and secrets in the texts of records by what they are, as in `write to [email_address]`; how many
/// records changed.
pub fn mask(task: &TaskRules, records: &mut [Record]) -> usize {
    let finder = PersonalData::new();
    let mut masked = 0;
    for record in records {
        let Some(Value::String(text)) = task.text.as_ref().and_then(|name| record.get_mut(name)) else {
            continue;
        };
        let without = finder.mask(text);
        if without != *text {
            *text = without.into_owned();
            masked += 1;
        }
    }
    masked
}

/// How many records show what the charter wants masked.
pub fn unmasked(charter: &Charter, records: &[Record]) -> usize {
    if charter.gate.personal != Personal::Mask {
        return 0;
    }
    let finder = PersonalData::new();
    let shows = |record: &&Record| {
        let text = charter.task.text.as_ref().and_then(|name| record.get(name)?.as_str());
        let named = |code: &str| charter.gate.text.keys().any(|known| known.as_str() == code);
        text.is_some_and(|text| finder.find(text).iter().any(|piece| !named(piece.reason.code())))
    };
    records.iter().filter(shows).count()
}
