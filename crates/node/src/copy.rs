//! A public copy: static files for any file server, grown by what is new, checked before a byte of it is written.

use std::collections::BTreeSet;

use assay_ledger::ids::Digest;
use assay_store::PublicFiles;
use assay_tlog::{
    Checkpoint, Plan, Tile, TileFile, TileKind, TileWriter, VerifierKey, bundle, growth, open_checkpoint,
    verify_consistency,
};
use serde::Serialize;

use crate::error::{NodeError, Result};
use crate::node::{CHECKPOINT, LOG_KEY};
use crate::publish::{NOTE_BYTES_MAX, TILE_BYTES_MAX, hash_tiles};
use crate::verify::broken;

/// Bytes of a table at most.
const TABLE_BYTES_MAX: u64 = 4 << 30;

/// What a copy has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Entries that it had.
    pub from: u64,
    /// Entries that it has.
    pub size: u64,
    /// Tiles and bundles written now.
    pub tiles: u64,
    /// Tables written now.
    pub tables: u64,
}

/// Brings the copy in `to` up to the public folder `from` of the log of `key`: the key, tables, bundles and tiles, and
/// the checkpoint last. What a broken run left is found and kept. Every entry and every tile that is new is hashed up
/// to the signed root first, so that nothing wrong ever reaches a folder whose files never change.
///
/// Both are addresses: a folder, or `s3://BUCKET/PREFIX`.
pub fn copy(from: &str, to: &str, key: &VerifierKey) -> Result<Copied> {
    let (from, to) = (PublicFiles::open(from)?, PublicFiles::open(to)?);
    let note = from.read(CHECKPOINT, NOTE_BYTES_MAX)?.ok_or_else(|| broken(CHECKPOINT, "is missing"))?;
    let head = head(&note, key)?;
    let old = match to.read(CHECKPOINT, NOTE_BYTES_MAX)? {
        Some(note) => grown(&from, &self::head(&note, key)?, &head)?,
        None => 0,
    };
    let mut copied = Copied { from: old, size: head.size, tiles: 0, tables: 0 };
    let found = walk(&from, old, head.size, &mut |_, _| Ok(()))?;
    if found != head.root {
        return Err(broken(CHECKPOINT, "signs another root than the entries have"));
    }
    to.write_once(LOG_KEY, format!("{key}\n").as_bytes())?;
    copied.tables = copy_tables(&from, &to)?;
    walk(&from, old, head.size, &mut |tile, bytes| {
        copied.tiles += u64::from(to.write_once(&tile.path(), bytes)?);
        Ok(())
    })?;
    let yields = |old: &[u8]| self::head(old, key).is_ok_and(|old| old.size <= head.size);
    match to.advance(CHECKPOINT, &note, &yields, NOTE_BYTES_MAX)? {
        true => Ok(copied),
        false => Err(NodeError::unavailable(format!("{} grew beyond this log meanwhile", to.place()))
            .hint("somebody else publishes there; publish again from the newest")),
    }
}

fn head(note: &[u8], key: &VerifierKey) -> Result<Checkpoint> {
    open_checkpoint(note, key, key.name()).map_err(|e| broken(CHECKPOINT, e))
}

/// The size of the copy, if the log extends it.
fn grown(from: &PublicFiles, old: &Checkpoint, new: &Checkpoint) -> Result<u64> {
    let plan = Plan::consistency(old.size, new.size).map_err(|e| {
        NodeError::refused(format!("the copy is ahead of this log: {e}"))
            .hint("this folder is an old one; publish from the newest")
    })?;
    let proof = plan.hashes(&hash_tiles(from, &plan)?).map_err(NodeError::bug)?;
    verify_consistency(old.size, new.size, &old.root, &new.root, &proof).map_err(|e| {
        NodeError::refused(format!("the copy is of another history: {e}"))
            .hint("`assay log compare` shows both heads; nothing was written")
    })?;
    Ok(old.size)
}

/// Lays out the tiles of entries `old..new` again from the bundles of `from`; each must be what `from` has.
/// The root of the whole.
fn walk(
    from: &PublicFiles,
    old: u64,
    new: u64,
    found: &mut dyn FnMut(Tile, &[u8]) -> Result<()>,
) -> Result<assay_tlog::Hash> {
    let mut writer = restored(from, old, new)?;
    let mut next = old - old % 256;
    for tile in growth(old, new).filter(|tile| tile.kind() == TileKind::Entries) {
        let bytes = read(from, tile)?;
        for entry in bundle::parse(&bytes, tile.width()).map_err(|e| broken(&tile.path(), e))? {
            next += 1;
            if next > old {
                check(from, writer.append(entry).map_err(NodeError::bug)?, new, found)?;
            }
        }
    }
    check(from, writer.partials(), new, found)?;
    Ok(writer.root())
}

/// A writer at `old` entries, from the tiles of a log of `new`, whose last ones may be wider.
pub(crate) fn restored(from: &PublicFiles, old: u64, new: u64) -> Result<TileWriter> {
    let mut files: Vec<TileFile> = Vec::new();
    for tile in TileWriter::needs(old) {
        let wide = growth(0, new).find(|wide| wide.kind() == tile.kind() && wide.index() == tile.index());
        let wide = wide.ok_or_else(|| NodeError::bug("a larger log has no such tile"))?;
        files.push((tile, cut(&read(from, wide)?, tile, wide)?));
    }
    TileWriter::restore(old, &files).map_err(|e| broken("tile", e))
}

/// The first items of a tile.
fn cut(bytes: &[u8], tile: Tile, wide: Tile) -> Result<Vec<u8>> {
    let width = usize::from(tile.width());
    if tile.kind() != TileKind::Entries {
        return Ok(bytes.get(..32 * width).unwrap_or_default().to_vec());
    }
    let mut narrow = Vec::new();
    let entries = bundle::parse(bytes, wide.width()).map_err(|e| broken(&wide.path(), e))?;
    for entry in entries.into_iter().take(width) {
        bundle::push(&mut narrow, entry).map_err(NodeError::bug)?;
    }
    Ok(narrow)
}

fn read(from: &PublicFiles, tile: Tile) -> Result<Vec<u8>> {
    from.read(&tile.path(), TILE_BYTES_MAX)?.ok_or_else(|| broken(&tile.path(), "is missing"))
}

fn check(
    from: &PublicFiles,
    tiles: Vec<TileFile>,
    new: u64,
    found: &mut dyn FnMut(Tile, &[u8]) -> Result<()>,
) -> Result<()> {
    for (tile, bytes) in tiles {
        if read(from, tile)? != bytes {
            return Err(broken(&tile.path(), format!("is not what the first {new} entries give")));
        }
        found(tile, &bytes)?;
    }
    Ok(())
}

/// Copies tables that the copy lacks, each checked against its name.
fn copy_tables(from: &PublicFiles, to: &PublicFiles) -> Result<u64> {
    let there: BTreeSet<String> = to.list()?.into_iter().collect();
    let mut copied = 0;
    for file in from.list()?.iter().filter(|file| !there.contains(*file)) {
        let Some(name) = file.strip_prefix("tables/") else { continue };
        let bytes = from.read(file, TABLE_BYTES_MAX)?.ok_or_else(|| broken(file, "is missing"))?;
        if name.split('.').next() != Some(Digest::of(&bytes).to_string().as_str()) {
            return Err(broken(file, "does not hash to its name"));
        }
        copied += u64::from(to.write_once(file, &bytes)?);
    }
    Ok(copied)
}
