//! What a record says of where it comes from: its licence, consent, id and time, as far as the datanet asks for them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::verdict::Reason;

/// Seconds that a record's time may be ahead of its arrival: a date without a zone is read as UTC, and the day begins up to
/// 14 hours earlier in the east.
const AHEAD_SECONDS_MAX: i64 = 86_400;
/// Longest id, bytes.
const ID_BYTES_MAX: usize = 128;

/// What a record says of where it comes from. None of it can be checked against the world; it can be asked for, and held to
/// what was said before and to the time of arrival, which the caller knows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Claims<'a> {
    /// Name of the licence.
    pub licence: Option<&'a str>,
    /// Whether consent is given.
    pub consent: bool,
    /// The sender's own name for the record.
    pub id: Option<&'a str>,
    /// When it was made, seconds since 1970; `None` where there is nothing that reads as a time.
    pub made: Option<i64>,
    /// When it was offered, seconds since 1970.
    pub offered: i64,
    /// Bytes of what the datanet does not read.
    pub unread_bytes: usize,
}

/// What is asked of a record's [`Claims`]; by default nothing but that they are not most of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProvenanceRule {
    /// Accepted licences, in small letters; without it, none is asked for.
    pub licences: Option<BTreeSet<String>>,
    /// Whether consent must be given.
    pub consent: bool,
    /// Whether every record must have an id, which its sender uses once.
    pub id: bool,
    /// Whether every record must have a time, which is not in the future.
    pub time: bool,
    /// Earliest time, seconds since 1970.
    pub earliest: Option<i64>,
    /// Greatest size of what the datanet does not read.
    pub unread_bytes_max: usize,
}

impl Default for ProvenanceRule {
    fn default() -> Self {
        ProvenanceRule {
            licences: None,
            consent: false,
            id: false,
            time: false,
            earliest: None,
            unread_bytes_max: 16 * 1024,
        }
    }
}

impl ProvenanceRule {
    /// What is wrong with a record's claims, without the records before it.
    pub(crate) fn check(&self, claims: &Claims<'_>) -> Result<(), Reason> {
        if claims.unread_bytes > self.unread_bytes_max {
            return Err(Reason::PaddedRecord);
        }
        if let Some(accepted) = &self.licences {
            let licence = claims.licence.map(str::trim).filter(|licence| !licence.is_empty());
            let licence = licence.ok_or(Reason::MissingLicence)?;
            if !accepted.contains(&licence.to_ascii_lowercase()) {
                return Err(Reason::UnknownLicence);
            }
        }
        if self.consent && !claims.consent {
            return Err(Reason::MissingConsent);
        }
        if self.id && !claims.id.is_some_and(is_id) {
            return Err(Reason::BadId);
        }
        if self.time { self.check_time(claims) } else { Ok(()) }
    }

    fn check_time(&self, claims: &Claims<'_>) -> Result<(), Reason> {
        let made = claims.made.ok_or(Reason::BadTime)?;
        if made > claims.offered.saturating_add(AHEAD_SECONDS_MAX) {
            return Err(Reason::FutureTime);
        }
        if self.earliest.is_some_and(|earliest| made < earliest) {
            return Err(Reason::EarlyTime);
        }
        Ok(())
    }
}

/// Visible ASCII without spaces: what looks the same is the same.
fn is_id(id: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_claim_has_its_reasons() {
        let rule = ProvenanceRule {
            licences: Some(BTreeSet::from(["cc-by-4.0".to_owned()])),
            consent: true,
            id: true,
            time: true,
            earliest: Some(1_000),
            unread_bytes_max: 10,
        };
        let good = Claims {
            licence: Some(" CC-BY-4.0"),
            consent: true,
            id: Some("a/1"),
            made: Some(1_000),
            offered: 5_000,
            unread_bytes: 10,
        };
        assert_eq!(rule.check(&good), Ok(()));
        let long = "x".repeat(129);
        for (bad, reason) in [
            (Claims { unread_bytes: 11, ..good }, Reason::PaddedRecord),
            (Claims { licence: None, ..good }, Reason::MissingLicence),
            (Claims { licence: Some("  "), ..good }, Reason::MissingLicence),
            (Claims { licence: Some("GPL-3.0-only"), ..good }, Reason::UnknownLicence),
            (Claims { licence: Some("CC-BY-4.0 OR MIT"), ..good }, Reason::UnknownLicence),
            (Claims { consent: false, ..good }, Reason::MissingConsent),
            (Claims { id: None, ..good }, Reason::BadId),
            (Claims { id: Some("a 1"), ..good }, Reason::BadId),
            (Claims { id: Some("a\u{200B}1"), ..good }, Reason::BadId),
            (Claims { id: Some(&long), ..good }, Reason::BadId),
            (Claims { made: None, ..good }, Reason::BadTime),
            (Claims { made: Some(999), ..good }, Reason::EarlyTime),
            (Claims { made: Some(5_001 + AHEAD_SECONDS_MAX), ..good }, Reason::FutureTime),
        ] {
            assert_eq!(rule.check(&bad), Err(reason));
        }
        let last = Claims { made: Some(i64::MAX), offered: i64::MAX, ..good };
        assert_eq!(rule.check(&last), Ok(()), "times at the end of the scale do not overflow");
        assert_eq!(ProvenanceRule::default().check(&Claims::default()), Ok(()), "nothing is asked");
    }
}
