//! What a charter's `[provenance]` reads of a record: licence, consent, id, time; and how much of it nobody reads.

use assay_ledger::charter::Charter;
use assay_quality::{Claims, ProvenanceRule, Reason, RecordView};
use serde_json::Value;

use crate::error::{NodeError, Result};
use crate::records::parse_iso8601;
use crate::task::{Reading, Record, word};

const NANOSECONDS: i128 = 1_000_000_000;

/// A record as the gates of its datanet read it.
pub(super) struct Offered {
    pub(super) reading: Reading,
    licence: Option<String>,
    consent: bool,
    id: Option<String>,
    made: Option<i64>,
    unread_bytes: usize,
}

impl Offered {
    /// Reads `record` by `charter`. Total: any record has a reading.
    pub(super) fn of(charter: &Charter, record: &Record) -> Self {
        let from = &charter.provenance;
        let said = |column: &str| record.get(column).filter(|_| !column.is_empty()).and_then(word);
        Self {
            reading: Reading::of(&charter.task, record),
            licence: said(&from.licence),
            consent: said(&from.consent).is_some_and(|word| is_yes(&word)),
            id: said(&from.id),
            made: said(&from.time).and_then(|time| seconds(&time)),
            unread_bytes: unread(charter, record),
        }
    }

    /// The same for the gates, as sent by `sender` at `offered`, milliseconds since 1970.
    pub(super) fn view<'a>(&'a self, sender: &'a str, offered: u64) -> RecordView<'a> {
        let claims = Claims {
            licence: self.licence.as_deref(),
            consent: self.consent,
            id: self.id.as_deref(),
            made: self.made,
            offered: i64::try_from(offered / 1000).unwrap_or(i64::MAX),
            unread_bytes: self.unread_bytes,
        };
        self.reading.view().sent_by(sender).claiming(claims)
    }
}

/// What the charter asks of the claims of a record.
pub(super) fn rule(charter: &Charter) -> Result<ProvenanceRule> {
    let from = &charter.provenance;
    let day = |text: &String| -> Result<i64> {
        let nanos = parse_iso8601(text)
            .ok_or_else(|| NodeError::invalid(format!("[provenance] earliest: there is no day {text}")))?;
        Ok(nanos.div_euclid(NANOSECONDS) as i64)
    };
    let accepted = from.licences.iter().map(|licence| licence.to_ascii_lowercase());
    Ok(ProvenanceRule {
        licences: (!from.licence.is_empty()).then(|| accepted.collect()),
        consent: !from.consent.is_empty(),
        id: !from.id.is_empty(),
        time: !from.time.is_empty(),
        earliest: Some(&from.earliest).filter(|text| !text.is_empty()).map(day).transpose()?,
        unread_bytes_max: charter.gate.unread_bytes_max as usize,
    })
}

/// The column that a verdict rests on; `None` where it is not about what a record says of where it comes from.
pub fn claimed(charter: &Charter, reason: Reason) -> Option<&str> {
    let from = &charter.provenance;
    match reason {
        Reason::MissingLicence | Reason::UnknownLicence => Some(&from.licence),
        Reason::MissingConsent => Some(&from.consent),
        Reason::BadId | Reason::RepeatedId => Some(&from.id),
        Reason::BadTime | Reason::FutureTime | Reason::EarlyTime => Some(&from.time),
        _ => None,
    }
}

/// Says of records that say nothing of it under which licence they are given, and that consent is. Without a licence or
/// consent nothing is said. How many records changed.
///
/// # Errors
/// When the datanet does not ask for it.
pub fn declare(
    charter: &Charter,
    licence: Option<&str>,
    consent: bool,
    records: &mut [Record],
) -> Result<usize> {
    let from = &charter.provenance;
    let licence = licence.map(|licence| (&from.licence, "licence", Value::from(licence)));
    let consent = consent.then(|| (&from.consent, "consent", Value::from(true)));
    let said: Vec<_> = licence.into_iter().chain(consent).collect();
    if let Some((_, what, _)) = said.iter().find(|(column, ..)| column.is_empty()) {
        return Err(NodeError::refused(format!("{} asks for no {what}", charter.datanet))
            .hint(format!("leave out --{what}")));
    }
    let mut changed = 0;
    for record in records {
        let mut filled = false;
        for (column, _, value) in &said {
            if record.get(*column).and_then(word).is_none_or(|word| word.trim().is_empty()) {
                record.insert((*column).clone(), value.clone());
                filled = true;
            }
        }
        changed += usize::from(filled);
    }
    Ok(changed)
}

fn is_yes(word: &str) -> bool {
    ["true", "yes", "1"].iter().any(|yes| word.trim().eq_ignore_ascii_case(yes))
}

/// Seconds since 1970 of an ISO 8601 time, or of an integer that counts them.
fn seconds(time: &str) -> Option<i64> {
    let calendar = parse_iso8601(time).map(|nanos| nanos.div_euclid(NANOSECONDS));
    calendar.or_else(|| time.trim().parse().ok()).and_then(|seconds| seconds.try_into().ok())
}

/// Bytes of the fields that the charter does not name, names included.
fn unread(charter: &Charter, record: &Record) -> usize {
    let read = |name: &str| charter.task.reads(name) || charter.provenance.columns().any(|c| c == name);
    let size = |value: &Value| value.as_str().map_or_else(|| value.to_string().len(), str::len);
    record.iter().filter(|(name, _)| !read(name)).map(|(name, value)| name.len() + size(value)).sum()
}
