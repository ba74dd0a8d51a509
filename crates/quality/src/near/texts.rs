//! The texts that later ones are aligned with, end to end: words in one array, letters in another.

use crate::words::Token;

#[derive(Default)]
pub(crate) struct Texts {
    words: Vec<Token>,
    letters: String,
    /// Where each text begins, in words and in letters.
    starts: Vec<(u64, u64)>,
}

impl Texts {
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Adds a text and returns its number.
    pub(crate) fn push(&mut self, words: &[Token], text: &str) -> u32 {
        let number = self.starts.len() as u32;
        self.starts.push((self.words.len() as u64, self.letters.len() as u64));
        self.words.extend_from_slice(words);
        self.letters.push_str(text);
        number
    }

    /// The words and letters of a text; `None` where it was erased or never there.
    pub(crate) fn get(&self, number: u32) -> Option<(&[Token], &str)> {
        let &(word, letter) = self.starts.get(number as usize)?;
        let &(next_word, next_letter) = self
            .starts
            .get(number as usize + 1)
            .unwrap_or(&(self.words.len() as u64, self.letters.len() as u64));
        Some((
            &self.words[word as usize..next_word as usize],
            &self.letters[letter as usize..next_letter as usize],
        ))
        .filter(|(_, text)| !text.is_empty())
    }

    /// Asks for the first words of all of these at once.
    pub(crate) fn touch(&self, numbers: &[u32]) {
        let first = |&number: &u32| {
            self.starts.get(number as usize).and_then(|start| self.words.get(start.0 as usize))
        };
        std::hint::black_box(numbers.iter().filter_map(first).fold(0, |sum, word| sum ^ word.0));
    }

    /// Takes a text out, letters and words; all that follows moves up.
    pub(crate) fn erase(&mut self, number: u32) {
        let Some((words, text)) =
            self.get(number).map(|(words, text)| (words.len() as u64, text.len() as u64))
        else {
            return;
        };
        let (word, letter) = self.starts[number as usize];
        self.words.drain(word as usize..(word + words) as usize);
        self.letters.drain(letter as usize..(letter + text) as usize);
        for start in &mut self.starts[number as usize + 1..] {
            *start = (start.0 - words, start.1 - text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_erased_is_gone_and_the_others_stay() {
        let mut texts = Texts::default();
        let all = [("one", 1), ("two words", 2), ("and three words", 3)];
        for (number, (text, words)) in all.iter().enumerate() {
            let words: Vec<Token> = (0..*words).map(|k| Token(k + 10 * number as u32)).collect();
            assert_eq!(texts.push(&words, text), number as u32);
        }
        texts.erase(1);
        texts.erase(1);
        texts.erase(7);
        assert_eq!((texts.get(1), texts.get(7), texts.len()), (None, None, 3));
        assert_eq!(texts.get(0), Some((&[Token(0)][..], "one")));
        assert_eq!(texts.get(2), Some((&[Token(20), Token(21), Token(22)][..], "and three words")));
        assert!(!texts.letters.contains("two"));
    }
}
