//! The log of a store, folded: what a node does when it opens and when others have appended.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use assay_ledger::codec;
use assay_ledger::state::State;
use assay_store::EventReader;

use crate::error::{NodeError, Result};

/// Entries from which on a thread is worth its while.
const ALONE_MAX: u64 = 512;
/// Pages that are read ahead of the fold, so that memory has a bound.
const PAGES_AHEAD: usize = 4;

/// Applies what the log has and the state does not; how many entries that were.
pub(crate) fn fold(state: &mut State, reader: &EventReader) -> Result<u64> {
    let before = state.size();
    let size = reader.size()?;
    if size > before + ALONE_MAX {
        fold_ahead(state, reader, size)?;
    }
    // Entries that were appended meanwhile are included.
    for entry in reader.scan(state.size()) {
        apply(state, &entry?.1)?;
    }
    Ok(state.size() - before)
}

/// Folds up to `size` entries on a thread of its own, while this one reads them and hashes them.
fn fold_ahead(state: &mut State, reader: &EventReader, size: u64) -> Result<()> {
    let from = state.size();
    thread::scope(|scope| {
        let (read, pages) = sync_channel::<Vec<Vec<u8>>>(PAGES_AHEAD);
        let folding = scope.spawn(move || pages.iter().flatten().try_for_each(|bytes| apply(state, &bytes)));
        let read = read_ahead(reader, from, size, read);
        // What is wrong first is named first.
        folding.join().unwrap_or_else(|_| Err(NodeError::bug("the fold of the log stopped")))?;
        read
    })
}

fn read_ahead(reader: &EventReader, from: u64, size: u64, read: SyncSender<Vec<Vec<u8>>>) -> Result<()> {
    let mut next = from;
    while next < size {
        let page = reader.read(next..size)?;
        next += page.len() as u64;
        // Nobody takes it any more where an earlier entry was wrong.
        if read.send(page).is_err() {
            break;
        }
    }
    Ok(())
}

fn apply(state: &mut State, bytes: &[u8]) -> Result<()> {
    let seq = state.size();
    let entry = codec::decode_entry(bytes)
        .map_err(|e| NodeError::bug(format!("entry {seq} of the log does not read: {e}")))?;
    state.apply_entry(&entry);
    Ok(())
}
