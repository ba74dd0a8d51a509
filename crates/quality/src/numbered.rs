//! One text sent many times with a number of its own: more rows, and nothing more said.
//!
//! Texts that differ in numbers are not one text, for rows of a table do, and a sum told again with other numbers is another
//! sum. So only texts with hardly a number are looked at, and only a sender's own, and the first few of one wording pass.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

use crate::record::RecordRef;
use crate::words::words;

/// Records of one wording that a sender may send.
const WORDINGS_MAX: u32 = 3;
/// A text is told by its words if at most one in so many is a number; one number is always allowed.
const WORDS_A_NUMBER: usize = 8;
/// Fewest words that are a wording.
const WORDS_MIN: usize = 4;

/// The wordings of texts with a number, by sender: the first record of each, and how many there were.
#[derive(Default)]
pub(crate) struct Numbered {
    seen: FxHashMap<(u32, u64), (RecordRef, u32)>,
}

impl Numbered {
    /// Counts a text; the first of its wording, if its sender has sent too many.
    pub(crate) fn count(&mut self, sender: u32, normal: &str, at: RecordRef) -> Option<RecordRef> {
        let (first, count) = self.seen.entry((sender, wording(normal)?)).or_insert((at, 0));
        *count += 1;
        (*count > WORDINGS_MAX).then_some(*first)
    }
}

/// A digest of the words that are no numbers, where there are enough of them and a number.
fn wording(normal: &str) -> Option<u64> {
    let (mut hasher, mut others, mut numbers) = (FxHasher::default(), 0, 0);
    for word in words(normal) {
        if word.bytes().any(|b| b.is_ascii_digit()) && !word.chars().any(char::is_alphabetic) {
            numbers += 1;
        } else {
            word.hash(&mut hasher);
            others += 1;
        }
    }
    let told = (1..=(others / WORDS_A_NUMBER).max(1)).contains(&numbers);
    (told && others >= WORDS_MIN).then(|| hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_of_a_wording_is_too_many() {
        let mut numbered = Numbered::default();
        let mut count = |sender, text: &str, at| numbered.count(sender, text, RecordRef(at));
        for (at, text) in ["row 1 of the same text", "row 2 of the same text", "row 3,5 of the same text"]
            .iter()
            .enumerate()
        {
            assert_eq!(count(0, text, at as u64), None);
        }
        assert_eq!(count(0, "row of the same text 4", 3), Some(RecordRef(0)));
        assert_eq!(count(1, "row of the same text 5", 4), None, "another's");
        for at in 0..9 {
            let table = format!("width {at} height {at} depth 7 colour red");
            assert_eq!(count(0, &table, 5), None, "a row of a table");
            assert_eq!(count(0, &format!("top up {at}"), 5), None, "too short for a wording");
            assert_eq!(count(0, "a text without any number", 5), None);
        }
    }
}
