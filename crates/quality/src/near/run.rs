//! Lists out of memory: their entries in order, in pages of a store.
//!
//! In memory is the first key of every page, so a list is one read of a page, or of two. An entry is stored with all bits turned, so
//! that one that was erased, which leaves zeros, is no entry.

use std::iter::Peekable;

use super::lists::{FREE, entry, key_of};
use super::scratch::{MakeStore, TextStore, TextStoreError};

/// Entries of a page.
const PAGE: usize = 64;
const PAGE_BYTES: usize = PAGE * ENTRY_BYTES;
const ENTRY_BYTES: usize = size_of::<u64>();
/// Pages that are read at once from the first to the last.
const STRETCH: usize = 1024;

/// Entries in order.
type Entries<'a> = Box<dyn Iterator<Item = Result<u64, TextStoreError>> + 'a>;

pub(crate) struct Run {
    store: Box<dyn TextStore>,
    /// The first key of every page.
    firsts: Vec<u32>,
    entries: usize,
}

impl Run {
    /// Stores entries, which come in order.
    fn new(
        make: &MakeStore,
        all: impl Iterator<Item = Result<u64, TextStoreError>>,
    ) -> Result<Self, TextStoreError> {
        let mut run = Run { store: make()?, firsts: Vec::new(), entries: 0 };
        let mut page = Vec::with_capacity(PAGE_BYTES);
        for entry in all {
            let entry = entry?;
            if page.is_empty() {
                run.firsts.push(key_of(entry));
            }
            page.extend((!entry).to_le_bytes());
            run.entries += 1;
            if page.len() == PAGE_BYTES {
                run.store.append(&page)?;
                page.clear();
            }
        }
        run.store.append(&page)?;
        Ok(run)
    }

    /// The entries of these runs and others, which come in order, in a new run.
    pub(crate) fn merged(
        make: &MakeStore,
        runs: &[Run],
        newer: impl Iterator<Item = u64>,
    ) -> Result<Self, TextStoreError> {
        let newer: Entries<'_> = Box::new(newer.map(Ok));
        let mut parts: Vec<_> = runs.iter().map(Run::all).chain([newer]).map(Iterator::peekable).collect();
        let all = std::iter::from_fn(|| {
            // A failure comes before all entries.
            let first =
                |part: &mut Peekable<Entries<'_>>| Some(part.peek()?.as_ref().map_or(0, |&entry| entry));
            let least = (0..parts.len()).filter_map(|at| Some((first(&mut parts[at])?, at))).min()?;
            parts[least.1].next()
        });
        Run::new(make, all)
    }

    /// How many entries were stored.
    pub(crate) fn len(&self) -> usize {
        self.entries
    }

    /// The list of a key, appended to `into`.
    pub(crate) fn list(&self, key: u32, into: &mut Vec<u32>) -> Result<(), TextStoreError> {
        self.find(key, |_, number| into.push(number))
    }

    /// Erases an entry, if it is there.
    pub(crate) fn remove(&mut self, key: u32, number: u32) -> Result<(), TextStoreError> {
        let mut found = None;
        self.find(key, |at, other| found = if other == number { Some(at) } else { found })?;
        found.map_or(Ok(()), |at| self.store.erase((at * ENTRY_BYTES) as u64, ENTRY_BYTES as u64))
    }

    /// Shows the place and number of every entry of a key.
    fn find(&self, key: u32, mut see: impl FnMut(usize, u32)) -> Result<(), TextStoreError> {
        let begins = self.before(key);
        let to = begins + self.firsts[begins..].iter().take_while(|&&first| first == key).count();
        // The list may begin in the page before the first that begins with its key.
        let from = begins.saturating_sub(1);
        let (least, most) = (entry(key, 0), entry(key, u32::MAX));
        for (at, entry) in self.stretch(from, to)?.into_iter().enumerate() {
            if (least..most).contains(&entry) {
                see(from * PAGE + at, entry as u32);
            }
        }
        Ok(())
    }

    /// How many pages begin with a lesser key. Keys are hashes: where one is among all keys, it is nearly here.
    fn before(&self, key: u32) -> usize {
        let pages = self.firsts.len();
        let guess = ((u64::from(key) * pages as u64) >> 32) as usize;
        let off = 4 * pages.isqrt();
        let (from, to) = (guess.saturating_sub(off), (guess + off).min(pages));
        let is_lesser = |at: usize| self.firsts[at] < key;
        let within = (from == 0 || is_lesser(from - 1)) && (to == pages || !is_lesser(to));
        let (from, to) = if within { (from, to) } else { (0, pages) };
        from + self.firsts[from..to].partition_point(|&first| first < key)
    }

    /// The entries of these pages, with those that were erased.
    fn stretch(&self, from: usize, to: usize) -> Result<Vec<u64>, TextStoreError> {
        let (begin, end) = (from * PAGE, (to * PAGE).min(self.entries));
        let mut bytes = vec![0; end.saturating_sub(begin) * ENTRY_BYTES];
        self.store.read((begin * ENTRY_BYTES) as u64, &mut bytes)?;
        Ok(bytes.as_chunks().0.iter().map(|&chunk| !u64::from_le_bytes(chunk)).collect())
    }

    /// All entries in order.
    fn all(&self) -> Entries<'_> {
        let stretch = |from| match self.stretch(from, (from + STRETCH).min(self.firsts.len())) {
            Ok(entries) => entries.into_iter().filter(|&entry| entry != FREE).map(Ok).collect(),
            Err(failure) => vec![Err(failure)],
        };
        Box::new((0..self.firsts.len()).step_by(STRETCH).flat_map(stretch))
    }
}
