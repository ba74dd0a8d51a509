//! Verification by a stranger: from public files only, everything is read again, hashed again and decided again.
//!
//! The order is that of trust: the key, the checkpoint that it signed, the entries that the checkpoint covers, the
//! state that follows from the entries, the tables that the entries name. Every file of the folder must have its
//! place in this chain; one that has none is an error too. A far server cannot be asked for what else it has: there, what
//! the chain calls for is read, in order, and where a reader got to can be kept in a [`bookmark`].

mod bookmark;
mod folder;
mod tables;

use std::collections::BTreeMap;
use std::path::Path;

use assay_ledger::amount::Place;
use assay_ledger::codec;
use assay_ledger::command::Signed;
use assay_ledger::decide::signer;
use assay_ledger::event::{Cause, Event};
use assay_ledger::ids::PublicKey;
use assay_ledger::refusal::Refusal;
use assay_ledger::replay::{Mismatch, Reason, Replay, Signatures};
use assay_ledger::signatures::verified;
use assay_ledger::state::State;
use assay_store::PublicFiles;
use assay_tlog::{
    Checkpoint, Tile, TileFile, TileKind, TileWriter, VerifierKey, bundle, growth, open_checkpoint,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{NodeError, Result};
use crate::node::{CHECKPOINT, LOG_KEY};
use crate::publish::{NOTE_BYTES_MAX, TILE_BYTES_MAX};
use crate::signatures::CHECKED_AT_ONCE;
use bookmark::Bookmark;
use folder::{Bundle, Folder};
use tables::{Closing, Tables};

/// Signatures that are checked together.
const SIGNATURES_AT_ONCE: usize = 4_096;

/// What verification cannot know, however carefully it looks.
pub const CANNOT_KNOW: &[&str] = &[
    "whether the values are right: only that they were logged before payment, by a stated recipe; the audit by retraining speaks to that",
    "what the records say: the log holds salted commitments, which the authors can open",
    "whether another history was shown to somebody else: compare this checkpoint with theirs",
    "whether the operator left out what somebody offered: who has a receipt can prove that it is in",
    "whether deposits and withdrawals happened outside: only that they were logged",
];

/// Something that was checked, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What, in words.
    pub what: &'static str,
    /// How many.
    pub count: u64,
}

/// A log that holds.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Origin of the log.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// Root of the tree, hexadecimal.
    pub root: String,
    /// Key that signed, as given or as found in the folder.
    pub key: String,
    /// True when the key came with the files and not from somewhere else.
    pub key_from_folder: bool,
    /// What was checked.
    pub checks: Vec<Check>,
    /// Base units by kind of place at the end, `external` included; they sum to zero.
    pub balances: BTreeMap<String, String>,
    /// Digest of the final state.
    pub state: String,
    /// What cannot be known.
    pub cannot_know: Vec<&'static str>,
}

/// Verifies the public files in `dir`. The first thing that does not hold is named in the error.
pub fn verify(dir: &Path, key: Option<&VerifierKey>, on_progress: &dyn Fn(u64, u64)) -> Result<Verified> {
    follow(Folder::open(dir)?, key, None, on_progress)
}

/// Verifies the public files at an address (`http://...`, `s3://...`), as they come. With a bookmark, what it says was
/// verified before is not read again: the log must extend that very tree, and the bookmark moves on, while the log is
/// read and at its end.
pub fn verify_at(
    address: &str,
    key: Option<&VerifierKey>,
    bookmark: Option<&Path>,
    on_progress: &dyn Fn(u64, u64),
) -> Result<Verified> {
    let files = PublicFiles::open(address)?;
    let bookmark = bookmark.map(|path| Bookmark::new(path, &files));
    follow(Folder::far(files), key, bookmark, on_progress)
}

fn follow(
    mut folder: Folder,
    key: Option<&VerifierKey>,
    mut bookmark: Option<Bookmark>,
    on_progress: &dyn Fn(u64, u64),
) -> Result<Verified> {
    let found = log_key(&mut folder)?;
    let trusted = key.unwrap_or(&found);
    if *trusted != found {
        return Err(broken(LOG_KEY, "is not the key that you gave"));
    }
    let head = checkpoint(&mut folder, trusted)?;
    let before = bookmark.as_mut().map(|bookmark| bookmark.take(trusted, &head)).transpose()?.flatten();
    let mut walk = before.unwrap_or_else(|| Walk::new(&head.origin));
    walk.entries(&mut folder, &head, &mut bookmark, on_progress)?;
    if walk.writer.root() != head.root {
        return Err(broken(CHECKPOINT, "signs another root than the entries have"));
    }
    let last = bundle_of(head.size.saturating_sub(1), head.size);
    walk.replay.require_whole().map_err(|mismatch| broken(&last, mismatch))?;
    let state = walk.replay.state();
    if state.log_key() != trusted.to_string() {
        return Err(broken(LOG_KEY, "is not the key that the first entry names"));
    }
    walk.tables.finish(state, &mut folder)?;
    folder.finish()?;
    walk.counts.files += folder.count();
    if let Some(bookmark) = &mut bookmark {
        bookmark.save(&walk, 0)?;
    }
    let (state, listed) = (walk.replay.state(), folder.names().is_some());
    let balances = balances(state);
    let digest = state.digest().map(|d| d.to_string()).unwrap_or_default();
    Ok(Verified {
        origin: head.origin,
        size: head.size,
        root: head.root.to_string(),
        key: trusted.to_string(),
        key_from_folder: key.is_none(),
        checks: checks(&walk.counts, walk.tables, listed),
        balances,
        state: digest,
        cannot_know: CANNOT_KNOW.to_vec(),
    })
}

fn log_key(folder: &mut Folder) -> Result<VerifierKey> {
    let bytes = folder.take(LOG_KEY, NOTE_BYTES_MAX)?;
    let text = std::str::from_utf8(&bytes).ok().and_then(|t| t.strip_suffix('\n'));
    text.and_then(|t| t.parse().ok()).ok_or_else(|| broken(LOG_KEY, "holds no verifier key on one line"))
}

fn checkpoint(folder: &mut Folder, key: &VerifierKey) -> Result<Checkpoint> {
    let note = folder.take(CHECKPOINT, NOTE_BYTES_MAX)?;
    let head = open_checkpoint(&note, key, key.name()).map_err(|e| broken(CHECKPOINT, e))?;
    // The signature covers the text; the rest of the file must be that one signature, and cosignatures of witnesses,
    // which only a policy can judge: eight bytes of time and a signature.
    let parsed = assay_tlog::Note::parse(&note).map_err(|e| broken(CHECKPOINT, e))?;
    let ours = |line: &&assay_tlog::Signature| line.name() == key.name() && line.key_id() == key.id();
    let mut others = parsed.signatures().iter().filter(|line| !ours(line));
    let known = parsed.signatures().iter().filter(ours).count() == 1 && others.all(|l| l.bytes().len() == 72);
    match known && parsed.to_string().as_bytes() == note {
        true => Ok(head),
        false => Err(broken(CHECKPOINT, "carries lines that are neither the log's nor a witness's")),
    }
}

/// One pass over all entries.
struct Walk {
    writer: TileWriter,
    replay: Replay,
    tables: Tables,
    counts: Counts,
    /// Tiles to compare by the size of the log at which they are written.
    tiles: BTreeMap<u64, Vec<Tile>>,
    /// Commands whose signatures are still to be checked, all at once and on every core.
    unchecked: Vec<Unchecked>,
}

struct Unchecked {
    seq: u64,
    key: PublicKey,
    signed: Box<Signed>,
}

fn first_forged(commands: &[Unchecked]) -> Option<&Unchecked> {
    let asked: Vec<(&Signed, PublicKey)> = commands.iter().map(|u| (&*u.signed, u.key)).collect();
    commands.iter().zip(verified(&asked)).find_map(|(command, verified)| (!verified).then_some(command))
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Counts {
    entries: u64,
    commands: u64,
    postings: u64,
    settled: u64,
    tiles: u64,
    files: u64,
}

impl Walk {
    fn new(origin: &str) -> Self {
        Self {
            writer: TileWriter::new(),
            replay: Replay::new(State::new(origin), Signatures::Elsewhere),
            tables: Tables::default(),
            counts: Counts::default(),
            tiles: BTreeMap::new(),
            unchecked: Vec::new(),
        }
    }

    fn entries(
        &mut self,
        folder: &mut Folder,
        head: &Checkpoint,
        bookmark: &mut Option<Bookmark>,
        on_progress: &dyn Fn(u64, u64),
    ) -> Result<()> {
        let from = self.counts.entries;
        self.expect_tiles(folder, from, head.size)?;
        let mut bundles = folder.bundles(from, head.size);
        while let Some(read) = bundles.next(folder) {
            let broke = read.is_err();
            if let Some(bookmark) = bookmark.as_mut().filter(|b| broke || b.is_due(self.counts.entries)) {
                // What came before the line broke need not be read again.
                self.check_signatures(head.size)?;
                bookmark.save(self, folder.count())?;
            }
            self.bundle(&read?, from, head.size, folder)?;
            on_progress(self.counts.entries, head.size);
        }
        self.check_signatures(head.size)?;
        // A tile that the checkpoint's size calls for must be there, whatever else is.
        match growth(0, head.size).find(|tile| folder.lacks(&tile.path())) {
            Some(tile) => Err(broken(&tile.path(), "is missing")),
            None => Ok(()),
        }
    }

    /// Tiles to compare: all that a folder has, or what a far server must have beyond `from` entries.
    fn expect_tiles(&mut self, folder: &Folder, from: u64, size: u64) -> Result<()> {
        let Some(names) = folder.names() else {
            for tile in growth(from, size) {
                self.tiles.entry(size_of(&tile).unwrap_or(size)).or_default().push(tile);
            }
            return Ok(());
        };
        for name in names.filter(|name| name.starts_with("tile/")) {
            let tile: Tile = name.parse().map_err(|e| broken(name, e))?;
            let complete = size_of(&tile).filter(|complete| *complete <= size);
            let complete =
                complete.ok_or_else(|| broken(name, "is of a larger log than the checkpoint signs"))?;
            self.tiles.entry(complete).or_default().push(tile);
        }
        Ok(())
    }

    /// The entries of a bundle beyond the first `from` of the log.
    fn bundle(&mut self, bundle: &Bundle, from: u64, size: u64, folder: &mut Folder) -> Result<()> {
        let entries = bundle::parse(&bundle.entries, bundle.tile.width());
        let entries = entries.map_err(|e| broken(&bundle.tile.path(), e))?;
        let known = from.saturating_sub(bundle.tile.index() * 256);
        for entry in entries.into_iter().skip(known as usize) {
            if let Err(error) = self.entry(entry, bundle, folder) {
                // What is wrong first is named first.
                self.check_signatures(size)?;
                return Err(error);
            }
        }
        match self.unchecked.len() >= SIGNATURES_AT_ONCE {
            true => self.check_signatures(size),
            false => Ok(()),
        }
    }

    fn entry(&mut self, bytes: &[u8], bundle: &Bundle, folder: &mut Folder) -> Result<()> {
        let seq = self.counts.entries;
        let broken = |what: String| broken(&bundle.tile.path(), what);
        let entry = codec::decode_entry(bytes).map_err(|e| broken(format!("entry {seq}: {e}")))?;
        let event = entry.event();
        // Whoever signs is named by the state before the entry, which may replace a key.
        let key = match &event.cause {
            Cause::Command(signed) => Some(signer(self.replay.state(), signed)),
            Cause::Earlier(_) => None,
        };
        let closing = Closing::of(event, self.replay.state());
        self.replay.push_entry(&entry).map_err(|mismatch| broken(mismatch.to_string()))?;
        self.tables.check(event, closing.as_ref(), self.replay.state(), folder)?;
        self.count(event);
        if let (Cause::Command(signed), Some(key)) = (entry.into_event().cause, key) {
            let key = key.map_err(|e| broken(e.to_string()))?;
            self.unchecked.push(Unchecked { seq, key, signed });
        }
        let full = self.writer.append(bytes).map_err(|e| broken(e.to_string()))?;
        self.compare(full, bundle, folder)
    }

    /// Signatures are checked later than the commands were followed, each with the key of its time.
    fn check_signatures(&mut self, size: u64) -> Result<()> {
        let forged =
            self.unchecked.par_chunks(CHECKED_AT_ONCE).filter_map(first_forged).min_by_key(|u| u.seq);
        if let Some(Unchecked { seq, signed, .. }) = forged {
            let reason = Reason::Refused(Refusal::Signature { actor: signed.intent.actor.clone() });
            return Err(broken(&bundle_of(*seq, size), Mismatch { seq: *seq, reason }));
        }
        self.unchecked.clear();
        Ok(())
    }

    fn count(&mut self, event: &Event) {
        self.counts.entries += 1;
        self.counts.commands += u64::from(matches!(event.cause, Cause::Command(_)));
        self.counts.postings += event.outcome.postings.len() as u64;
        self.counts.settled += event.outcome.settled.len() as u64;
    }

    /// Every expected tile that the log wrote at its present size, full or partial, byte for byte.
    fn compare(&mut self, full: Vec<TileFile>, bundle: &Bundle, folder: &mut Folder) -> Result<()> {
        let Some(here) = self.tiles.remove(&self.writer.size()) else { return Ok(()) };
        let computed: Vec<TileFile> = full.into_iter().chain(self.writer.partials()).collect();
        for tile in here {
            let name = tile.path();
            let far;
            let bytes = match bundle.has(tile) {
                Some(bytes) => {
                    folder.account_for(&name);
                    bytes
                }
                None => {
                    far = folder.take(&name, TILE_BYTES_MAX)?;
                    &far
                }
            };
            let Some((_, expected)) = computed.iter().find(|(t, _)| *t == tile) else {
                return Err(broken(&name, "is no tile of this log"));
            };
            if let Some(at) = first_difference(bytes, expected) {
                return Err(broken(&name, format!("differs at byte {at} from what the entries give")));
            }
            self.counts.tiles += 1;
        }
        Ok(())
    }
}

/// The size of the log at which a tile is complete; `None` beyond what any log has.
fn size_of(tile: &Tile) -> Option<u64> {
    let items = tile.index().checked_mul(256)?.checked_add(u64::from(tile.width()))?;
    let shift = match tile.kind() {
        TileKind::Entries => 0,
        TileKind::Hashes(level) => 8 * u32::from(level),
    };
    items.checked_mul(1_u64.checked_shl(shift)?)
}

fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    let common = a.iter().zip(b).position(|(x, y)| x != y);
    common.or_else(|| (a.len() != b.len()).then_some(a.len().min(b.len())))
}

fn bundle_of(seq: u64, size: u64) -> String {
    let tile = growth(0, size).find(|t| t.kind() == TileKind::Entries && t.index() == seq / 256);
    tile.map_or_else(|| format!("entry {seq}"), |t| t.path())
}

fn checks(counts: &Counts, tables: Tables, listed: bool) -> Vec<Check> {
    let check = |what, count| Check { what, count };
    let mut checks = vec![
        check("checkpoint signature", 1),
        check("entries hashed into the signed root", counts.entries),
        check("tiles, byte for byte", counts.tiles),
        check("commands: signature, and outcome decided again to the same bytes", counts.commands),
        check("postings recomputed to the base unit", counts.postings),
        check("contributors' settlements recomputed", counts.settled),
    ];
    checks.extend(tables.into_checks());
    let files = if listed { "files, every one accounted for" } else { "files that the log calls for" };
    checks.push(check(files, counts.files));
    checks
}

/// Sums by kind of place: `user`, `accrued`, ...
fn balances(state: &State) -> BTreeMap<String, String> {
    let mut sums: BTreeMap<String, i128> = BTreeMap::new();
    for (place, _) in state.balances().iter() {
        let kind = place.to_string().split('/').next().unwrap_or_default().to_owned();
        *sums.entry(kind).or_default() += state.balance(&place);
    }
    sums.insert("external".to_owned(), state.balance(&Place::External));
    sums.into_iter().map(|(kind, sum)| (kind, sum.to_string())).collect()
}

/// Something in a public file that does not hold.
pub(crate) fn broken(file: &str, what: impl std::fmt::Display) -> NodeError {
    NodeError::refused(format!("{file}: {what}"))
        .hint("these files are not what was signed; ask for them again")
}
