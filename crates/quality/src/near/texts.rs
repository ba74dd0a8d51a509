//! The texts that later ones are aligned with, end to end, where their owner keeps them; in memory there is a byte for every word,
//! which tells of most candidates that they are not alike.

use std::sync::OnceLock;

use crate::words::Token;

/// Where an index keeps its texts, end to end from byte 0. They are read for the few candidates that have half of their
/// words in common with a new text, so a file serves as well as memory.
///
/// An index is made from its texts and can be made again from them: what it keeps need not outlive it.
pub trait TextStore: Send + Sync {
    /// Adds bytes at the end.
    fn append(&mut self, bytes: &[u8]) -> Result<(), TextStoreError>;

    /// Fills `into` with the bytes from `at` on.
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), TextStoreError>;

    /// Overwrites so many bytes from `at` on with zeros, for good: nothing of them may be found afterwards.
    fn erase(&mut self, at: u64, bytes: u64) -> Result<(), TextStoreError>;
}

/// A text could not be kept, read or erased.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the texts of the near-duplicate index: {0}; make the index again from its records")]
pub struct TextStoreError(pub String);

/// Texts in memory.
#[derive(Default)]
struct Memory(Vec<u8>);

impl Memory {
    fn part(&self, at: u64, bytes: usize) -> Result<std::ops::Range<usize>, TextStoreError> {
        let at = at as usize;
        let end = at.checked_add(bytes).filter(|&end| end <= self.0.len());
        end.map(|end| at..end).ok_or_else(|| TextStoreError(format!("{bytes} bytes at {at} are not there")))
    }
}

impl TextStore for Memory {
    fn append(&mut self, bytes: &[u8]) -> Result<(), TextStoreError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), TextStoreError> {
        into.copy_from_slice(&self.0[self.part(at, into.len())?]);
        Ok(())
    }

    fn erase(&mut self, at: u64, bytes: u64) -> Result<(), TextStoreError> {
        let part = self.part(at, bytes as usize)?;
        self.0[part].fill(0);
        Ok(())
    }
}

pub(crate) struct Texts {
    letters: Box<dyn TextStore>,
    /// A byte of the hash of every word, of all texts end to end.
    marks: Vec<u8>,
    /// Where each text begins, in words and in letters, and after the last one the end.
    starts: Vec<(u64, u64)>,
    /// Numbers of texts that were erased, ascending.
    erased: Vec<u32>,
    failure: OnceLock<TextStoreError>,
}

impl Default for Texts {
    fn default() -> Self {
        Texts::kept_in(Box::new(Memory::default()))
    }
}

impl Texts {
    /// Texts in an empty store.
    pub(crate) fn kept_in(letters: Box<dyn TextStore>) -> Self {
        let starts = vec![(0, 0)];
        Texts { letters, marks: Vec::new(), starts, erased: Vec::new(), failure: OnceLock::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The first failure of the store.
    pub(crate) fn failure(&self) -> Option<&TextStoreError> {
        self.failure.get()
    }

    fn note(&self, outcome: Result<(), TextStoreError>) -> Option<()> {
        outcome.map_err(|failure| _ = self.failure.set(failure)).ok()
    }

    /// Adds a text and returns its number.
    pub(crate) fn push(&mut self, words: &[Token], text: &str) -> u32 {
        let number = self.len() as u32;
        let kept = self.letters.append(text.as_bytes());
        self.note(kept);
        let (word, letter) = self.starts[self.len()];
        self.marks.extend(words.iter().map(|word| word.mark()));
        self.starts.push((word + words.len() as u64, letter + text.len() as u64));
        number
    }

    /// The letters of a text, read into `into`; `None` where it was erased, is empty or was never there.
    pub(crate) fn read<'a>(&self, number: u32, into: &'a mut Vec<u8>) -> Option<&'a str> {
        let (&(_, start), &(_, end)) =
            self.starts.get(number as usize).zip(self.starts.get(number as usize + 1))?;
        if start == end || self.erased.binary_search(&number).is_ok() {
            return None;
        }
        into.resize((end - start) as usize, 0);
        self.note(self.letters.read(start, into))?;
        let text = std::str::from_utf8(into);
        let damaged = |_| TextStoreError(format!("text {number} is no text any more"));
        self.note(text.map(|_| ()).map_err(damaged))?;
        text.ok()
    }

    /// The marks of the words of a text.
    pub(crate) fn marks(&self, number: u32) -> &[u8] {
        match self.starts.get(number as usize..number as usize + 2) {
            Some(&[(start, _), (end, _)]) => &self.marks[start as usize..end as usize],
            _ => &[],
        }
    }

    /// Asks for the marks of all of these at once.
    pub(crate) fn touch(&self, numbers: &[u32]) {
        let first = |&number: &u32| {
            let &(word, _) = self.starts.get(number as usize)?;
            self.marks.get(word as usize)
        };
        std::hint::black_box(numbers.iter().filter_map(first).fold(0, |sum, mark| sum ^ mark));
    }

    /// Overwrites a text and its marks with zeros.
    pub(crate) fn erase(&mut self, number: u32) {
        let at = number as usize;
        let (Some(&start), Some(&end)) = (self.starts.get(at), self.starts.get(at + 1)) else { return };
        let Err(place) = self.erased.binary_search(&number) else { return };
        let erased = self.letters.erase(start.1, end.1 - start.1);
        self.note(erased);
        self.marks[start.0 as usize..end.0 as usize].fill(0);
        self.erased.insert(place, number);
    }
}

/// How many times each mark is among the words of a text.
pub(crate) struct Marks {
    counts: [u8; 256],
    words: usize,
}

impl Marks {
    pub(crate) fn of(words: &[Token]) -> Self {
        let mut counts = [0_u8; 256];
        for word in words {
            let count = &mut counts[usize::from(word.mark())];
            *count = count.saturating_add(1);
        }
        Marks { counts, words: words.len() }
    }

    /// Whether half the words of the shorter text may have an equal in the other: never `false` where they have. Texts with
    /// more than 254 words of one mark are not told apart.
    pub(crate) fn may_share_half(&self, other: &[u8]) -> bool {
        let least = self.words.min(other.len());
        let mut left = self.counts;
        let mut shared = 0;
        for &mark in other {
            let count = &mut left[usize::from(mark)];
            shared += usize::from(*count > 0);
            *count = count.saturating_sub(u8::from(*count < u8::MAX));
        }
        shared * 2 >= least
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(words: &[u32]) -> Vec<Token> {
        words.iter().map(|&word| Token(word << 24)).collect()
    }

    #[test]
    fn what_is_erased_is_gone_and_the_others_stay() {
        let mut texts = Texts::default();
        for (number, text) in ["one", "two words", "", "and three words"].into_iter().enumerate() {
            assert_eq!(texts.push(&list(&[number as u32 + 1, 9]), text), number as u32);
        }
        texts.erase(1);
        texts.erase(1);
        texts.erase(7);
        let mut buffer = Vec::new();
        let found: Vec<Option<String>> =
            (0..5).map(|number| texts.read(number, &mut buffer).map(str::to_owned)).collect();
        assert_eq!(found, [Some("one".to_owned()), None, None, Some("and three words".to_owned()), None]);
        assert_eq!([0, 1, 3, 4].map(|number| texts.marks(number)), [&[1, 9][..], &[0, 0], &[4, 9], &[]]);
        assert_eq!((texts.len(), texts.failure()), (4, None));
    }

    #[test]
    fn a_store_that_fails_is_named_and_its_texts_match_nothing() {
        struct Broken;
        impl TextStore for Broken {
            fn append(&mut self, _: &[u8]) -> Result<(), TextStoreError> {
                Ok(())
            }
            fn read(&self, _: u64, _: &mut [u8]) -> Result<(), TextStoreError> {
                Err(TextStoreError("the disk is gone".to_owned()))
            }
            fn erase(&mut self, _: u64, _: u64) -> Result<(), TextStoreError> {
                Ok(())
            }
        }
        let mut texts = Texts::kept_in(Box::new(Broken));
        texts.push(&list(&[1]), "one");
        assert_eq!((texts.failure(), texts.read(0, &mut Vec::new())), (None, None));
        assert!(texts.failure().is_some_and(|failure| failure.to_string().contains("the disk is gone")));
    }

    proptest! {
        /// Few marks for many words, so that marks agree where words do not.
        #[test]
        fn no_text_with_half_of_the_words_is_turned_down(
            a in prop::collection::vec(0_u32..12, 0..600),
            b in prop::collection::vec(0_u32..12, 0..600),
        ) {
            let mut rest = b.clone();
            let mut equal = |word: &u32| rest.iter().position(|other| other == word).map(|at| rest.swap_remove(at));
            let shared = a.iter().filter_map(&mut equal).count();
            let marks: Vec<u8> = list(&b).iter().map(|word| word.mark() / 3).collect();
            let ours: Vec<u32> = a.iter().map(|word| word / 3).collect();
            let may = Marks::of(&list(&ours)).may_share_half(&marks);
            prop_assert!(may || shared * 2 < a.len().min(b.len()));
            if a.len().max(b.len()) < 255 {
                let exactly = Marks::of(&list(&a)).may_share_half(&list(&b).iter().map(|word| word.mark()).collect::<Vec<_>>());
                prop_assert_eq!(exactly, shared * 2 >= a.len().min(b.len()));
            }
        }
    }
}
