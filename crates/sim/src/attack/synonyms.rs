//! Paraphrase word by word: common English words and others that say about the same.

use super::Record;
use crate::draw::Draw;

/// Words of a group may stand for each other. No word is in two groups.
const GROUPS: &[&str] = &[
    "big large huge",
    "small little tiny",
    "fast quick rapid",
    "begin start commence",
    "end finish conclude",
    "buy purchase acquire",
    "sell vend",
    "help assist aid",
    "show display present",
    "tell inform notify",
    "ask inquire",
    "answer reply respond",
    "need require",
    "want wish desire",
    "get obtain receive",
    "give provide supply",
    "make create produce",
    "use employ utilise",
    "find locate discover",
    "think believe suppose",
    "know understand",
    "change alter modify",
    "fix repair mend",
    "break damage ruin",
    "stop halt cease",
    "go travel proceed",
    "come arrive",
    "send dispatch transmit",
    "keep retain hold",
    "choose select pick",
    "check verify examine",
    "try attempt",
    "work function operate",
    "happen occur",
    "cause trigger prompt",
    "raise increase grow",
    "lower reduce decrease",
    "allow permit let",
    "forbid prohibit ban",
    "good fine great",
    "bad poor awful",
    "right correct proper",
    "wrong incorrect mistaken",
    "new recent fresh",
    "old ancient former",
    "important significant major",
    "hard difficult tough",
    "easy simple effortless",
    "clear evident obvious",
    "strange odd unusual",
    "whole entire complete",
    "many numerous",
    "enough sufficient adequate",
    "often frequently",
    "always constantly",
    "now currently presently",
    "soon shortly",
    "maybe perhaps possibly",
    "very really extremely",
    "only merely solely",
    "also additionally",
    "but however yet",
    "because since as",
    "so therefore thus",
    "about regarding concerning",
    "money cash funds",
    "card plastic",
    "account profile",
    "problem issue trouble",
    "error mistake fault",
    "cost price charge",
    "payment remittance",
    "job task duty",
    "place location spot",
    "way manner fashion",
    "part portion section",
    "result outcome finding",
    "study investigation inquiry",
    "paper article publication",
    "goal aim objective",
    "idea notion concept",
    "house home dwelling",
    "car vehicle automobile",
    "person individual",
    "people persons folks",
    "child kid",
    "question query",
    "reason motive grounds",
    "figure number",
    "kind type sort",
    "method approach technique",
    "data information facts",
];

/// The words that may stand in place of `word`.
fn others(word: &str) -> Vec<&'static str> {
    let group = GROUPS.iter().find(|group| group.split(' ').any(|known| known == word));
    group.map(|group| group.split(' ').filter(|other| *other != word).collect()).unwrap_or_default()
}

/// Replaces every word that has a synonym; marks around it stay, capitals go.
pub(super) fn replace(record: &mut Record, draw: &mut Draw) {
    let Some(text) = &mut record.text else { return };
    let mut word_for = |part: &str| {
        let word = part.trim_matches(|c: char| !c.is_alphanumeric());
        let others = others(&word.to_lowercase());
        match others.len() {
            0 => part.to_owned(),
            n => part.replacen(word, others[draw.below(n)], 1),
        }
    };
    *text = text.split_whitespace().map(&mut word_for).collect::<Vec<_>>().join(" ");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn groups_are_apart_and_words_are_replaced() {
        let words: Vec<&str> = GROUPS.iter().flat_map(|group| group.split(' ')).collect();
        let distinct: BTreeSet<&str> = words.iter().copied().collect();
        let twice: Vec<&&str> =
            distinct.iter().filter(|w| words.iter().filter(|x| x == w).count() > 1).collect();
        assert!(twice.is_empty(), "in two groups: {twice:?}");
        let text = Some("(Big) problem: my CARD, my zebra.".to_owned());
        let mut record = Record { text, numbers: vec![], label: "a".to_owned() };
        replace(&mut record, &mut Draw::new(1));
        let text = record.text.unwrap_or_default();
        assert!(text.ends_with("my plastic, my zebra.") && text.starts_with('('), "{text}");
        assert!(!text.to_lowercase().contains("big") && !text.contains("problem"), "{text}");
    }
}
