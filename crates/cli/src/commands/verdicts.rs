//! Verdicts on a whole file: how many, for what reasons, on which lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use assay_node::records::Place;
use assay_quality::Reason;
use assay_web::text::count;
use serde::Serialize;

/// Lines of the file named for each reason.
const LINES_SHOWN: usize = 8;

/// What one reason did to a file.
#[derive(Serialize)]
struct Stopped {
    verdict: String,
    code: String,
    sentence: &'static str,
    advice: &'static str,
    count: u64,
    /// Lines or rows of the file.
    at: Vec<u64>,
}

/// Verdicts on a whole file.
#[derive(Default, Serialize)]
pub(super) struct Verdicts {
    pub(super) passed: u64,
    pub(super) held: u64,
    pub(super) rejected: u64,
    stopped: Vec<Stopped>,
}

impl Verdicts {
    /// Of the verdict, the code of its reason, and the line or row, of each record.
    pub(super) fn of(rows: impl Iterator<Item = (String, Option<String>, u64)>) -> Self {
        let mut out = Self::default();
        let mut stopped: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
        for (verdict, code, at) in rows {
            match verdict.as_str() {
                "pass" => out.passed += 1,
                "hold" => out.held += 1,
                _ => out.rejected += 1,
            }
            if let Some(code) = code {
                stopped.entry((verdict, code)).or_default().push(at);
            }
        }
        out.stopped = stopped.into_iter().map(|((verdict, code), at)| reason(verdict, code, at)).collect();
        out.stopped.sort_by(|a, b| b.count.cmp(&a.count).then(a.code.cmp(&b.code)));
        out
    }

    /// Each reason in words: how often, what it means, what to do, and where.
    pub(super) fn write(&self, out: &mut String, places: &[Place]) {
        let place = if matches!(places.first(), Some(Place::Row(_))) { "row" } else { "line" };
        for stopped in &self.stopped {
            let did = if stopped.verdict == "hold" { "held" } else { "rejected" };
            let _ =
                writeln!(out, "\n{:>7} {did}  {} ({})", count(stopped.count), stopped.sentence, stopped.code);
            let _ = writeln!(out, "        {}", stopped.advice);
            let _ = writeln!(out, "        {}", lines(place, &stopped.at));
        }
    }
}

fn reason(verdict: String, code: String, at: Vec<u64>) -> Stopped {
    let known = Reason::from_code(&code);
    Stopped {
        verdict,
        sentence: known.map_or("", Reason::sentence),
        advice: known.map_or("", Reason::advice),
        code,
        count: at.len() as u64,
        at,
    }
}

fn lines(place: &str, at: &[u64]) -> String {
    let shown: Vec<String> = at.iter().take(LINES_SHOWN).map(u64::to_string).collect();
    let more = at.len().saturating_sub(LINES_SHOWN);
    let more = if more > 0 { format!(" and {} more", count(more as u64)) } else { String::new() };
    let many = if at.len() == 1 { "" } else { "s" };
    format!("{place}{many} {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_lines_are_cut() {
        assert_eq!(lines("line", &[4]), "line 4");
        assert_eq!(lines("row", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), "rows 1, 2, 3, 4, 5, 6, 7, 8 and 2 more");
    }
}
