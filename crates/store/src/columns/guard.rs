//! A fence before the Parquet library. It trusts what a page header and a page claim about sizes and allocates
//! accordingly, and a failed allocation ends the process. Here every claim is checked first against the bytes at
//! hand and a budget, so that no file, however hostile, costs more memory than the reader allowed.
//!
//! Page headers are structs of the Thrift compact protocol
//! (<https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>).

use std::io::Cursor;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length, SerializedPageReader};

/// Largest page after decompression, in bytes.
const PAGE_BYTES_MAX: u64 = 256 << 20;
const NESTING_MAX: u32 = 16;

fn refused<T>(what: impl Into<String>) -> Result<T> {
    Err(ParquetError::General(what.into()))
}

/// The file, with every page header checked when the library is about to read it.
pub(super) struct Fenced {
    file: Bytes,
    /// Bytes that may yet be decompressed.
    budget: AtomicU64,
}

impl Fenced {
    pub(super) fn new(file: Bytes, budget: u64) -> Self {
        Self { file, budget: AtomicU64::new(budget) }
    }
}

impl Length for Fenced {
    fn len(&self) -> u64 {
        self.file.len() as u64
    }
}

impl ChunkReader for Fenced {
    type T = Cursor<Bytes>;

    /// The library calls this for page headers only, and `get_bytes` for page bodies.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        if start > self.file.len() {
            return refused("a page begins behind the end of the file");
        }
        let header = self.file.slice(start..);
        let claimed = uncompressed_size(&header)?;
        let spend = |left: u64| left.checked_sub(claimed);
        if claimed > PAGE_BYTES_MAX
            || self.budget.try_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_err()
        {
            return refused(format!("a page claims {claimed} bytes, more than may be read"));
        }
        Ok(Cursor::new(header))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.file.get_bytes(start, length)
    }
}

/// Pages whose claimed numbers of values are possible.
pub(super) struct FencedPages {
    pub(super) pages: SerializedPageReader<Fenced>,
    pub(super) rows: u64,
}

impl FencedPages {
    fn check(&self, page: Page) -> Result<Page> {
        let (claimed, most) = match &page {
            // A value of a dictionary takes at least one byte.
            Page::DictionaryPage { buf, num_values, .. } => (*num_values, buf.len() as u64),
            Page::DataPage { num_values, .. } | Page::DataPageV2 { num_values, .. } => {
                (*num_values, self.rows)
            }
        };
        if u64::from(claimed) > most {
            return refused(format!("a page claims {claimed} values where at most {most} are possible"));
        }
        let encoding = page.encoding();
        // Their decoders allocate by a count inside the page that nothing else bounds.
        if matches!(encoding, Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY) {
            return refused(format!(
                "the encoding {encoding} is not read; write the file with plain or dictionary encoding"
            ));
        }
        Ok(page)
    }
}

impl Iterator for FencedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for FencedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.pages.get_next_page()?.map(|page| self.check(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }
}

/// The `uncompressed_page_size` (field 2) of a page header, after walking all of it: every length and count inside
/// must fit the bytes that follow.
fn uncompressed_size(header: &[u8]) -> Result<u64> {
    let mut walk = Walk { rest: header, size: None };
    walk.structure(0)?;
    match walk.size {
        Some(size) => u64::try_from(size).or_else(|_| refused("a page claims a negative size")),
        None => refused("a page header has no size"),
    }
}

struct Walk<'a> {
    rest: &'a [u8],
    size: Option<i64>,
}

impl Walk<'_> {
    fn byte(&mut self) -> Result<u8> {
        match self.rest.split_first() {
            Some((&byte, rest)) => {
                self.rest = rest;
                Ok(byte)
            }
            None => refused("a page header is cut off"),
        }
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        refused("a number in a page header is too long")
    }

    fn zigzag(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn skip(&mut self, length: u64) -> Result<()> {
        match usize::try_from(length).ok().and_then(|length| self.rest.get(length..)) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => refused("a length in a page header passes the end of the file"),
        }
    }

    fn structure(&mut self, depth: u32) -> Result<()> {
        if depth > NESTING_MAX {
            return refused("a page header is nested too deeply");
        }
        let mut field = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            field = if head >> 4 == 0 { self.zigzag()? } else { field + i64::from(head >> 4) };
            match (depth, field, head & 0x0f) {
                (0, 2, 5) => self.size = Some(self.zigzag()?),
                (_, _, 1 | 2) => {} // a truth value lives in its type
                (_, _, kind) => self.value(kind, depth)?,
            }
        }
    }

    fn value(&mut self, kind: u8, depth: u32) -> Result<()> {
        match kind {
            1..=3 => self.skip(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.skip(8),
            8 => {
                let length = self.varint()?;
                self.skip(length)
            }
            9 | 10 => self.list(depth),
            12 => self.structure(depth + 1),
            _ => refused("a page header holds a value of unknown type"),
        }
    }

    fn list(&mut self, depth: u32) -> Result<()> {
        if depth > NESTING_MAX {
            return refused("a page header is nested too deeply");
        }
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        if count > self.rest.len() as u64 {
            return refused("a list in a page header passes the end of the file");
        }
        (0..count).try_for_each(|_| self.value(head & 0x0f, depth + 1))
    }
}
