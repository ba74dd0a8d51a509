//! The texts that later ones are aligned with, end to end, and beside them a byte for every word, which tells of most candidates
//! that they are not alike. Both are in memory up to a bound, and in a store of their owner's beyond it.

use std::sync::OnceLock;

use super::scratch::{MakeStore, Place, TextStore, TextStoreError};
use crate::words::Token;

pub(crate) struct Texts {
    letters: Place,
    /// A byte of the hash of every word, of all texts end to end.
    marks: Place,
    /// Most bytes of both in memory, and where they go beyond that.
    bound: Option<(usize, MakeStore)>,
    /// Where each text begins, in words and in letters, and after the last one the end.
    starts: Vec<(u64, u64)>,
    /// Numbers of texts that were erased, ascending.
    erased: Vec<u32>,
    failure: OnceLock<TextStoreError>,
}

impl Texts {
    /// No texts. At most so many bytes of them will be in memory, beside 16 for each text, if there is a bound.
    pub(crate) fn new(bound: Option<(usize, MakeStore)>) -> Self {
        let (letters, marks, failure) = (Place::default(), Place::default(), OnceLock::new());
        Texts { letters, marks, bound, starts: vec![(0, 0)], erased: Vec::new(), failure }
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
        let (word, letter) = self.starts[self.len()];
        self.starts.push((word + words.len() as u64, letter + text.len() as u64));
        let kept = self.keep(words, text);
        self.note(kept);
        number
    }

    fn keep(&mut self, words: &[Token], text: &str) -> Result<(), TextStoreError> {
        if let Some((most, make)) = &self.bound {
            let marks = self.marks.in_memory() + words.len();
            if marks + self.letters.in_memory() + text.len() > *most {
                self.letters.move_to(make)?;
            }
            // Marks are few bytes and are read of every candidate, so they are the last to go.
            if marks > *most {
                self.marks.move_to(make)?;
            }
        }
        self.letters.append(text.as_bytes())?;
        self.marks.append(&words.iter().map(|word| word.mark()).collect::<Vec<u8>>())
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

    /// The marks of the words of a text, where they are in memory or read into `into`.
    pub(crate) fn marks<'a>(&'a self, number: u32, into: &'a mut Vec<u8>) -> &'a [u8] {
        let Some(&[(start, _), (end, _)]) = self.starts.get(number as usize..number as usize + 2) else {
            return &[];
        };
        if let Place::Memory(marks) = &self.marks {
            return marks.get(start as usize..end as usize).unwrap_or_default();
        }
        into.resize((end - start) as usize, 0);
        self.note(self.marks.read(start, into));
        into
    }

    /// Asks for the marks of all of these at once.
    pub(crate) fn touch(&self, numbers: &[u32]) {
        let Place::Memory(marks) = &self.marks else { return };
        let first = |&number: &u32| {
            let &(word, _) = self.starts.get(number as usize)?;
            marks.get(word as usize)
        };
        std::hint::black_box(numbers.iter().filter_map(first).fold(0, |sum, mark| sum ^ mark));
    }

    /// Overwrites a text and its marks with zeros.
    pub(crate) fn erase(&mut self, number: u32) {
        let at = number as usize;
        let (Some(&start), Some(&end)) = (self.starts.get(at), self.starts.get(at + 1)) else { return };
        let Err(place) = self.erased.binary_search(&number) else { return };
        let letters = self.letters.erase(start.1, end.1 - start.1);
        let marks = self.marks.erase(start.0, end.0 - start.0);
        self.note(letters.and(marks));
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
    use std::sync::Arc;

    fn list(words: &[u32]) -> Vec<Token> {
        words.iter().map(|&word| Token(word << 24)).collect()
    }

    #[test]
    fn what_is_erased_is_gone_and_the_others_stay() {
        let mut texts = Texts::new(None);
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
        let marks = [0, 1, 3, 4].map(|number| texts.marks(number, &mut buffer).to_vec());
        assert_eq!(marks, [&[1, 9][..], &[0, 0], &[4, 9], &[]]);
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
        let mut texts = Texts::new(Some((0, Arc::new(|| Ok(Box::new(Broken))))));
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
