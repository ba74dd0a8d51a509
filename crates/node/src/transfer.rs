//! Transfer: everything that a node keeps, from one place to another. Migration, backup and restore are this.
//!
//! It may be killed at any point and run again: what is there is compared and kept, what is missing is added, what was
//! erased at the source is erased. At the end both sides are read and compared: the entries by their root, the
//! checkpoint, every table by its hash, every record and secret byte for byte.

use assay_ledger::codec;
use assay_store::vault::VaultReader;
use assay_store::{EventReader, EventStore, NewEntry, PrivateRecord, StoredCheckpoint, TableStore, Vault};
use assay_tlog::{Frontier, Hash};
use serde::Serialize;

use crate::error::{NodeError, Result};
use crate::home::Home;
use crate::node::new_entry;

/// Records of the vault that travel together.
const RECORDS_MAX: usize = 256;

/// What was transferred and found equal on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transferred {
    /// Entries of the log.
    pub entries: u64,
    /// Root of the tree over them, hexadecimal.
    pub root: String,
    /// Entries that the newest signed checkpoint covers.
    pub signed: u64,
    /// Private records.
    pub records: u64,
    /// Named secrets.
    pub secrets: u64,
    /// Tables.
    pub tables: u64,
}

/// The stores of a home, opened for reading: a node may be working on them.
struct Source {
    log: EventReader,
    vault: VaultReader,
    tables: TableStore,
}

impl Source {
    fn open(home: &Home) -> Result<Self> {
        Ok(Self {
            log: EventReader::open_at(&home.log_address())?,
            vault: VaultReader::open_at(&home.vault_address())?,
            tables: TableStore::open(&home.tables_address())?,
        })
    }
}

/// Makes the stores of `to` hold what those of `from` hold, with the first `size` entries of the log, or all of them.
pub(crate) fn transfer(from: &Home, to: &Home, size: Option<u64>) -> Result<Transferred> {
    let from = Source::open(from)?;
    // The checkpoint first: what it covers is in the log then. The log next: what it names is in the vault then.
    let signed = from.log.checkpoint()?;
    let held = from.log.size()?;
    let size = size.unwrap_or(held);
    if size > held {
        return Err(NodeError::refused(format!("the log has {held} entries and not {size}")));
    }
    let signed = signed.filter(|signed| signed.size <= size);
    let mut log = EventStore::open_at(&to.log_address())?;
    copy_log(&from.log, &mut log, size, signed.as_ref())?;
    let mut vault = Vault::open_at(&to.vault_address())?;
    let (records, secrets) = copy_vault(&from.vault, &mut vault)?;
    let tables = copy_tables(&from.tables, &TableStore::open(&to.tables_address())?)?;
    Ok(Transferred {
        entries: size,
        root: compare_logs(&from.log, log.reader(), size, signed.as_ref())?.to_string(),
        signed: signed.map_or(0, |signed| signed.size),
        records,
        secrets,
        tables,
    })
}

fn copy_log(
    from: &EventReader,
    to: &mut EventStore,
    size: u64,
    signed: Option<&StoredCheckpoint>,
) -> Result<()> {
    let mut held = to.reader().size()?;
    if held > size {
        return Err(differs(format!("the log there has {held} entries already, and {size} are to be there")));
    }
    if root(from, held)? != root(to.reader(), held)? {
        return Err(differs(format!("another log is there already, of {held} entries")));
    }
    while held < size {
        let page = from.read(held..size)?;
        let entries: Vec<NewEntry> =
            page.iter().map(|bytes| new_entry(&codec::decode(bytes)?)).collect::<Result<_>>()?;
        // Written again from what was read, so that its idempotency key comes with it: the bytes must be the same.
        if entries.iter().zip(&page).any(|(entry, bytes)| entry.bytes != *bytes) {
            return Err(NodeError::bug(format!("an entry after {held} is not written as it was read")));
        }
        held = to.append(held, &entries)?;
    }
    let there = to.reader().checkpoint()?;
    match signed {
        Some(signed) if there.as_ref() != Some(signed) => {
            Ok(to.set_checkpoint(there.map(|there| there.size), signed.size, &signed.note)?)
        }
        _ => Ok(()),
    }
}

/// Root of the tree over the first entries, from their bytes.
fn root(log: &EventReader, size: u64) -> Result<Hash> {
    let mut frontier = Frontier::new();
    for entry in log.scan(0).take(usize::try_from(size).unwrap_or(usize::MAX)) {
        frontier.append(assay_tlog::leaf_hash(&entry?.1));
    }
    match frontier.size() == size {
        true => Ok(frontier.root()),
        false => Err(NodeError::bug(format!("the log ends before entry {size}"))),
    }
}

fn compare_logs(
    from: &EventReader,
    to: &EventReader,
    size: u64,
    signed: Option<&StoredCheckpoint>,
) -> Result<Hash> {
    let held = to.check()?;
    let (one, other) = (root(from, size)?, root(to, size)?);
    if held != size || one != other {
        return Err(differs(format!(
            "the log there has {held} entries of root {other}, not {size} of {one}"
        )));
    }
    match to.checkpoint()?.as_ref() == signed {
        true => Ok(one),
        false => Err(differs("the checkpoint there is another one".to_owned())),
    }
}

/// Records and secrets: how many there are.
fn copy_vault(from: &VaultReader, to: &mut Vault) -> Result<(u64, u64)> {
    let wanted = from.commitments()?;
    let mut gone: Vec<[u8; 32]> = to.reader().commitments()?;
    let kept: std::collections::BTreeSet<&[u8; 32]> = wanted.iter().collect();
    gone.retain(|commitment| !kept.contains(commitment));
    if !gone.is_empty() {
        to.erase(&gone)?;
    }
    let mut records = 0;
    for part in wanted.chunks(RECORDS_MAX) {
        // One that was erased since the list was made is not there any more.
        let found: Vec<PrivateRecord> = part
            .iter()
            .filter_map(|commitment| from.get(commitment).transpose())
            .collect::<std::result::Result<_, _>>()?;
        to.put_batch(&found)?;
        for record in &found {
            if to.reader().get(&record.commitment)?.as_ref() != Some(record) {
                return Err(differs(format!(
                    "record {} of group {} there is another one",
                    record.index, record.group
                )));
            }
        }
        records += found.len() as u64;
    }
    let names = from.private_names()?;
    for name in to.reader().private_names()? {
        if names.binary_search(&name).is_err() {
            to.erase_private(&name)?;
        }
    }
    for name in &names {
        let Some(secret) = from.get_private(name)? else { continue };
        if to.reader().get_private(name)?.as_ref() != Some(&secret) {
            to.put_private(name, &secret)?;
        }
        if to.reader().get_private(name)?.as_ref() != Some(&secret) {
            return Err(differs(format!("the secret {name} there is another one")));
        }
    }
    Ok((records, names.len() as u64))
}

/// Tables: how many there are. Reading one checks it against its hash.
fn copy_tables(from: &TableStore, to: &TableStore) -> Result<u64> {
    let tables = from.list()?;
    for table in &tables {
        if to.get(table).is_err() {
            to.put(from.get(table)?, &table.extension)?;
            to.get(table)?;
        }
    }
    Ok(tables.len() as u64)
}

fn differs(what: String) -> NodeError {
    NodeError::refused(what)
        .hint("name an empty place, or one that an earlier run with the same arguments began to fill")
}
