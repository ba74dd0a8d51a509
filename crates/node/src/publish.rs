//! Publish: from entries that are durable to public files that a stranger can verify.
//!
//! One path, at every command and at every start: what the public folder lacks of the log is laid out, the tables
//! that entries name before the tiles that hold them; the root is computed twice; the tree head is signed, stored
//! and, where a policy asks for witnesses, cosigned before it is shown. A folder that was wiped lacks everything and is made again from the private one.

use assay_ledger::charter::Publish;
use assay_ledger::codec;
use assay_ledger::command::Command;
use assay_ledger::event::{Cause, Event};
use assay_ledger::ids::Digest;
use assay_store::{PublicFiles, StoreError, StoredCheckpoint};
use assay_tlog::{
    Checkpoint, Frontier, Hash, Note, Plan, Tile, TileFile, TileKind, TileSet, TileWriter, growth,
    open_checkpoint, sign_checkpoint,
};

use crate::error::{NodeError, Result};
use crate::node::{CHECKPOINT, CONFLICTS_MAX, LOG_KEY, Node};

/// Bytes of a tile at most: 256 entries, each with the two bytes of its length.
pub(crate) const TILE_BYTES_MAX: u64 = 256 * (u16::MAX as u64 + 2);
/// Bytes of a checkpoint at most.
pub(crate) const NOTE_BYTES_MAX: u64 = 1 << 20;

/// The right edge of the tree in the public folder, by two paths that must agree about the root.
#[derive(Default)]
pub(crate) struct Edge {
    /// Grows by the leaf hashes that the event store made when it took the entries.
    pub(crate) frontier: Frontier,
    /// Grows by the entries, and makes their files.
    pub(crate) tiles: TileWriter,
}

impl Node {
    /// Brings the public folder up to the log, from whatever a crash or a person left of it.
    pub(crate) fn catch_up(&mut self) -> Result<()> {
        let key = format!("{}\n", self.log_key.verifier());
        self.public.write_once(LOG_KEY, key.as_bytes()).map_err(|e| NodeError::from(e).hint(REMAKE))?;
        let (edge, signed) = self.public_edge()?;
        self.edge = edge;
        if let Some(signed) = signed {
            self.show(signed.clone())?;
            self.ask_again(&signed)?;
        }
        match self.publish() {
            // Without its witnesses a node can be read; the next command asks them again.
            Err(_) if self.waiting => Ok(()),
            outcome => outcome,
        }
    }

    /// From commit point A to the public checkpoint, for all entries that are durable and not published.
    pub(crate) fn publish(&mut self) -> Result<()> {
        for _ in 0..CONFLICTS_MAX {
            let signed = self.events.reader().checkpoint()?;
            let old = signed.as_ref().map(|signed| signed.size);
            let size = self.state().size();
            if let Some(signed) = signed.filter(|signed| signed.size >= size) {
                // Another node of this log signed for us, or there was nothing to sign.
                self.waiting = false;
                return if self.shown.as_ref() == Some(&signed) { Ok(()) } else { self.show(signed) };
            }
            if size == 0 {
                return Ok(());
            }
            self.lay_out(size)?;
            let mut note = sign_checkpoint(&self.checkpoint(), &self.log_key).map_err(NodeError::bug)?;
            self.require_quorum(&mut note, size, old.unwrap_or(0))?;
            if self.store(old, size, &note)? {
                return Ok(());
            }
        }
        Err(NodeError::unavailable(format!("other nodes signed first, {CONFLICTS_MAX} times in a row")))
    }

    /// Commit point B: stored before a reader sees it; `false` if another node has stored one meanwhile.
    fn store(&mut self, old: Option<u64>, size: u64, note: &Note) -> Result<bool> {
        let note = note.to_string().into_bytes();
        match self.events.set_checkpoint(old, size, &note) {
            Ok(()) => self.show(StoredCheckpoint { size, note }).map(|()| true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a stored checkpoint public, with all that it covers. A newer one of another node stays.
    fn show(&mut self, signed: StoredCheckpoint) -> Result<()> {
        self.follow()?;
        self.lay_out(signed.size)?;
        self.check_signed(&signed)?;
        let (key, origin) = (self.log_key.verifier(), self.home().origin());
        let yields = |old: &[u8]| !open_checkpoint(old, key, origin).is_ok_and(|old| old.size > signed.size);
        self.public.advance(CHECKPOINT, &signed.note, &yields, NOTE_BYTES_MAX)?;
        self.shown = Some(signed);
        Ok(())
    }

    /// Adds the cosignatures that the node's policy asks for. Where they cannot be had, the entries stay durable and
    /// unpublished, and [`Node::publish`] asks again at the next command.
    fn require_quorum(&mut self, note: &mut Note, size: u64, known: u64) -> Result<()> {
        let Some(quorum) = &self.quorum else { return Ok(()) };
        let public = &self.public;
        let failures = quorum.collect(note, size, known, &|old| consistency(public, old, size))?;
        self.waiting = !quorum.is_met(note, self.log_key.verifier());
        if !self.waiting {
            return Ok(());
        }
        let why = if failures.is_empty() { String::new() } else { format!(" ({})", failures.join("; ")) };
        let what = match size - known {
            1 => format!("entry {known} is"),
            _ => format!("entries {known} to {} are", size - 1),
        };
        Err(NodeError::unavailable(format!(
            "too few witnesses cosign: {what} durable, and not published{why}"
        ))
        .hint("do not send anything again: it is published as soon as the quorum of the policy is back"))
    }

    /// At the start: a witness that has seen more of this log than the node has stops it; and a checkpoint that was
    /// signed before there was a policy gets its cosignatures.
    fn ask_again(&mut self, signed: &StoredCheckpoint) -> Result<()> {
        let Some(quorum) = &self.quorum else { return Ok(()) };
        let size = self.state().size();
        let mut note = Note::parse(&signed.note).map_err(NodeError::bug)?;
        let lacked = !quorum.is_met(&note, self.log_key.verifier());
        // What is durable and unpublished may have been cosigned before a crash: that is no roll-back.
        if size == signed.size {
            let public = &self.public;
            quorum.collect(&mut note, size, size, &|old| consistency(public, old, size))?;
            if lacked && quorum.is_met(&note, self.log_key.verifier()) {
                self.store(Some(size), size, &note)?;
            }
        }
        Ok(())
    }

    /// The edge of what the public folder shows, and the stored checkpoint; the edge of nothing if the folder lacks a
    /// file that its checkpoint calls for. What is public was stored before, so the store is looked at last.
    fn public_edge(&self) -> Result<(Edge, Option<StoredCheckpoint>)> {
        let note = self.public.read(CHECKPOINT, NOTE_BYTES_MAX)?.unwrap_or_default();
        let stored = self.events.reader().checkpoint()?;
        let Ok(head) = open_checkpoint(&note, self.log_key.verifier(), self.home().origin()) else {
            return Ok((Edge::default(), stored));
        };
        let signed = stored.as_ref().map_or(0, |stored| stored.size);
        match head.size > signed {
            true => Err(NodeError::refused(format!(
                "the event store was rolled back: this node has published {} entries, and the store knows of {signed}",
                head.size
            ))
            .hint("restore the newest copy of the private folder; going on from an old one would publish a second history")),
            false => Ok((self.edge_of(&head)?.unwrap_or_default(), stored)),
        }
    }

    fn edge_of(&self, head: &Checkpoint) -> Result<Option<Edge>> {
        match self.public.has_all(growth(0, head.size).map(|tile| tile.path()))? {
            true => Ok(self.read_edge(head)),
            false => Ok(None),
        }
    }

    fn read_edge(&self, head: &Checkpoint) -> Option<Edge> {
        let read = |tile: Tile| Some((tile, self.public.read(&tile.path(), TILE_BYTES_MAX).ok()??));
        let files: Vec<TileFile> =
            TileWriter::needs(head.size).into_iter().map(read).collect::<Option<_>>()?;
        let mut hashes = TileSet::new();
        for (tile, bytes) in files.iter().filter(|(tile, _)| tile.kind() != TileKind::Entries) {
            hashes.insert(*tile, bytes).ok()?;
        }
        let tiles = TileWriter::restore(head.size, &files).ok()?;
        let frontier = Frontier::read(head.size, &hashes).ok()?;
        (tiles.root() == head.root && frontier.root() == head.root).then_some(Edge { frontier, tiles })
    }

    fn check_signed(&self, signed: &StoredCheckpoint) -> Result<()> {
        let head = open_checkpoint(&signed.note, self.log_key.verifier(), self.home().origin());
        match head.map_err(NodeError::bug)? == self.checkpoint() {
            true => Ok(()),
            false => Err(NodeError::bug(format!(
                "the log no longer hashes to the checkpoint of size {} that was signed",
                signed.size
            ))
            .hint("the event store was changed or an old copy was restored; restore the newest copy")),
        }
    }

    /// Lays out tables and tiles of the entries from the edge to `size`.
    fn lay_out(&mut self, size: u64) -> Result<()> {
        while self.edge.tiles.size() < size {
            let page = self.events.reader().read(self.edge.tiles.size()..size)?;
            for (seq, bytes) in (self.edge.tiles.size()..).zip(&page) {
                match self.fresh(seq) {
                    Some(event) => self.publish_tables(seq, event)?,
                    None => self.publish_tables(seq, &codec::decode(bytes)?)?,
                }
            }
            self.lay_tiles(&page)?;
        }
        Ok(())
    }

    /// Writes the tiles of the next entries, and compares root and files by a second path before anything is
    /// signed: one flipped bit in either would make the log unprovable for ever.
    fn lay_tiles(&mut self, entries: &[Vec<u8>]) -> Result<()> {
        let Edge { frontier, tiles } = &mut self.edge;
        let old = tiles.size();
        let files = tiles.grow(entries).map_err(NodeError::bug)?;
        for leaf in self.events.reader().leaves(old..tiles.size())? {
            frontier.append(leaf);
        }
        if tiles.root() != frontier.root() {
            return Err(NodeError::bug("tiles and entries disagree about the root; nothing was signed"));
        }
        for (tile, bytes) in &files {
            self.public.write_once(&tile.path(), bytes).map_err(|e| NodeError::from(e).hint(REMAKE))?;
            if self.public.read(&tile.path(), TILE_BYTES_MAX)?.as_ref() != Some(bytes) {
                return Err(NodeError::bug(format!("{} is not on disk as it was written", tile.path())));
            }
        }
        Ok(())
    }

    /// Shows the tables that an entry names, so that no checkpoint ever covers a name without its file.
    fn publish_tables(&self, seq: u64, event: &Event) -> Result<()> {
        let Cause::Command(signed) = &event.cause else { return Ok(()) };
        let command = &signed.intent.command;
        for (digest, extension) in named(command).chain(self.settled_by(command)) {
            let file = format!("tables/{digest}.{extension}");
            match self.tables.find(&digest.0, extension)? {
                Some(table) => {
                    let bytes = self.tables.get(&table)?;
                    self.public.write_once(&file, &bytes).map_err(|e| NodeError::from(e).hint(REMAKE))?;
                }
                None if self.public.has_all(std::iter::once(file.clone()))? => {}
                None => {
                    return Err(NodeError::unavailable(format!("{file}, which entry {seq} names, is lost"))
                        .hint("restore the private folder of this home: tables cannot be made again from the log"));
                }
            }
        }
        Ok(())
    }

    /// Refuses a command about tables that this node does not hold: it could never be published.
    pub(crate) fn require_tables(&self, command: &Command) -> Result<()> {
        for (digest, extension) in named(command).chain(self.due_by(command)) {
            if self.tables.find(&digest.0, extension)?.is_none() {
                return Err(NodeError::refused(format!("this node does not hold {digest}.{extension}"))
                    .hint("send the records themselves"));
            }
        }
        Ok(())
    }

    /// What a settlement may have to publish of a valuation.
    fn due_by(&self, command: &Command) -> Option<(Digest, &'static str)> {
        let Command::Value { datanet, table, .. } = command else { return None };
        let net = self.state().datanet(datanet)?;
        (net.charter.value.publish == Publish::Records).then_some((table.sha256, PARQUET))
    }

    /// Values per record become public only by charter, with the settlement that used them: they say which content the
    /// sealed benchmark rewards.
    fn settled_by(&self, command: &Command) -> Option<(Digest, &'static str)> {
        let Command::Settle { datanet, epoch } = command else { return None };
        let net = self.state().datanet(datanet)?;
        if net.charter.value.publish != Publish::Records {
            return None;
        }
        let valuation = net.valuations.get(&net.epochs.get(epoch)?.valuation?)?;
        Some((valuation.table.sha256, PARQUET))
    }
}

/// The proof, from public tiles, that the tree of `size` entries starts with the one of `old`.
fn consistency(public: &PublicFiles, old: u64, size: u64) -> Result<Vec<Hash>> {
    let plan = Plan::consistency(old, size).map_err(NodeError::refused)?;
    plan.hashes(&hash_tiles(public, &plan)?).map_err(NodeError::bug)
}

/// The hash tiles that a plan needs, from public files.
pub(crate) fn hash_tiles(public: &PublicFiles, plan: &Plan) -> Result<TileSet> {
    let mut tiles = TileSet::new();
    for tile in plan.tiles() {
        let bytes = public.read(&tile.path(), TILE_BYTES_MAX)?;
        let bytes = bytes.ok_or_else(|| NodeError::unavailable(format!("{} is missing", tile.path())))?;
        tiles.insert(tile, &bytes).map_err(NodeError::unavailable)?;
    }
    Ok(tiles)
}

const PARQUET: &str = "parquet";
const JSON: &str = "json";
const REMAKE: &str = "if that file was damaged: move the public folder away and open the node again, it is made again from the private one";

/// The tables and documents that become public with a command.
fn named(command: &Command) -> impl Iterator<Item = (Digest, &'static str)> + use<> {
    let file = match command {
        Command::Contribute { table, .. } | Command::Gate { table, .. } | Command::Snapshot { table, .. } => {
            Some((table.sha256, PARQUET))
        }
        Command::Train { recipe, .. } | Command::Value { recipe, .. } => Some((*recipe, JSON)),
        Command::Audit { table, .. } | Command::Meter { table, .. } => Some((table.sha256, PARQUET)),
        Command::Publish { table, .. } => Some((table.sha256, JSON)),
        _ => None,
    };
    file.into_iter()
}
