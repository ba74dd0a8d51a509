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

/// Bytes at the end of a file, which tell where its footer begins.
const FOOTER_BYTES: u64 = 8;
/// Bytes of a page header that are looked at first, and at most.
const HEADER_BYTES: [usize; 2] = [64 << 10, 16 << 20];

/// A file, with every page header checked when the library is about to read it.
pub struct Fenced<R> {
    file: R,
    /// Bytes that may yet be decompressed.
    budget: AtomicU64,
}

impl<R: ChunkReader> Fenced<R> {
    /// The file, of which pages of so many bytes may be decompressed.
    pub fn new(file: R, budget: u64) -> Self {
        Self { file, budget: AtomicU64::new(budget) }
    }

    /// The bytes from `start` on, enough for the header that begins there, and what it claims.
    fn header(&self, start: u64) -> Result<(Bytes, u64)> {
        let rest = self.file.len().checked_sub(start);
        let Some(rest) = rest.map(|rest| usize::try_from(rest).unwrap_or(usize::MAX)) else {
            return refused("a page begins behind the end of the file");
        };
        let [first, most] = HEADER_BYTES.map(|bytes| bytes.min(rest));
        let header = self.file.get_bytes(start, first)?;
        match uncompressed_size(&header) {
            Err(_) if first < rest => {
                let header = self.file.get_bytes(start, most)?;
                let claimed = uncompressed_size(&header)?;
                Ok((header, claimed))
            }
            claimed => Ok((header, claimed?)),
        }
    }
}

impl<R: ChunkReader> Length for Fenced<R> {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl<R: ChunkReader> ChunkReader for Fenced<R> {
    type T = Cursor<Bytes>;

    /// The library calls this for page headers and the end of the file, and `get_bytes` for page bodies.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        // Too few bytes for a header: four of them are the length of the footer, which was held to the file's.
        if self.file.len().checked_sub(start) == Some(FOOTER_BYTES) {
            return Ok(Cursor::new(self.file.get_bytes(start, FOOTER_BYTES as usize)?));
        }
        let (header, claimed) = self.header(start)?;
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
    pub(super) pages: SerializedPageReader<Fenced<Bytes>>,
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

/// The `uncompressed_page_size` (field 2) of a page header, after walking all of it: every length inside must fit the
/// bytes that follow, and every known field must be what it is known as. The library reads known fields by their numbers
/// alone, takes truth values in lists for no bytes at all, and goes on through a list behind the end of the file: it
/// must not see another header than is walked here. No list is known in a header, and none is let through.
fn uncompressed_size(header: &[u8]) -> Result<u64> {
    let mut walk = Walk { rest: header, size: None };
    walk.structure(Struct::Page, 0)?;
    match walk.size {
        Some(size) => u64::try_from(size).or_else(|_| refused("a page claims a negative size")),
        None => refused("a page header has no size"),
    }
}

/// The structs of a page header.
#[derive(Clone, Copy)]
enum Struct {
    Page,
    Data,
    Dictionary,
    DataV2,
    Statistics,
    /// Of an index page, which has no fields, or of a format to come.
    Other,
}

/// What a field is.
#[derive(Clone, Copy)]
enum Known {
    Bool,
    I32,
    I64,
    Binary,
    Struct(Struct),
    /// Anything but a known field.
    Other,
}

impl Struct {
    /// What the field of this number is, by the format (<https://github.com/apache/parquet-format>).
    fn field(self, number: i64) -> Known {
        match (self, number) {
            (Self::Page, 1..=4) | (Self::Data, 1..=4) => Known::I32,
            (Self::Dictionary, 1..=2) | (Self::DataV2, 1..=6) => Known::I32,
            (Self::Page, 5) => Known::Struct(Self::Data),
            (Self::Page, 6) => Known::Struct(Self::Other),
            (Self::Page, 7) => Known::Struct(Self::Dictionary),
            (Self::Page, 8) => Known::Struct(Self::DataV2),
            (Self::Data, 5) | (Self::DataV2, 8) => Known::Struct(Self::Statistics),
            (Self::Dictionary, 3) | (Self::DataV2, 7) | (Self::Statistics, 7..=8) => Known::Bool,
            (Self::Statistics, 1..=2 | 5..=6) => Known::Binary,
            (Self::Statistics, 3..=4) => Known::I64,
            _ => Known::Other,
        }
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

    fn structure(&mut self, of: Struct, depth: u32) -> Result<()> {
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
            // The library has them in 16 bits.
            if !(1..=i64::from(i16::MAX)).contains(&field) {
                return refused("a field of a page header has a number that is none");
            }
            match (of.field(field), head & 0x0f) {
                (Known::I32, 5) if matches!((of, field), (Struct::Page, 2)) => {
                    self.size = Some(self.zigzag()?)
                }
                (Known::Bool | Known::Other, 1 | 2) => {} // a truth value lives in its type
                (Known::I32 | Known::Other, 5) | (Known::I64 | Known::Other, 6) | (Known::Other, 4) => {
                    self.varint()?;
                }
                (Known::Other, 3) => self.skip(1)?,
                (Known::Other, 7) => self.skip(8)?,
                (Known::Binary | Known::Other, 8) => {
                    let length = self.varint()?;
                    self.skip(length)?;
                }
                (Known::Struct(inner), 12) => self.structure(inner, depth + 1)?,
                (Known::Other, 12) => self.structure(Struct::Other, depth + 1)?,
                _ => return refused("a field of a page header is of another type than it must be"),
            }
        }
    }
}
