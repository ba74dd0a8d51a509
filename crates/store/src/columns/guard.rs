//! A fence before the Parquet library. It trusts what a page header and a page claim about sizes and allocates
//! accordingly, and a failed allocation ends the process. Here every claim is checked first against the bytes at
//! hand and a budget, so that no file, however hostile, costs more memory than the reader allowed.

use std::io::Cursor;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length, SerializedPageReader};

use super::thrift;

/// Largest page after decompression, in bytes.
const PAGE_BYTES_MAX: u64 = 256 << 20;

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
    /// The file, of which pages of so many bytes may be decompressed; an error if its footer is none.
    pub fn new(file: R, budget: u64) -> Result<Self> {
        check_footer(&file)?;
        Ok(Self { file, budget: AtomicU64::new(budget) })
    }

    /// The bytes from `start` on, enough for the header that begins there, and what it claims.
    fn header(&self, start: u64) -> Result<(Bytes, u64)> {
        let rest = self.file.len().checked_sub(start);
        let Some(rest) = rest.map(|rest| usize::try_from(rest).unwrap_or(usize::MAX)) else {
            return refused("a page begins behind the end of the file");
        };
        let [first, most] = HEADER_BYTES.map(|bytes| bytes.min(rest));
        let header = self.file.get_bytes(start, first)?;
        match thrift::page_size(&header) {
            Err(_) if first < rest => {
                let header = self.file.get_bytes(start, most)?;
                let claimed = thrift::page_size(&header)?;
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

/// Walks what the end of a file tells of it, before the library does. What does not end as a Parquet file does is left to
/// the library to refuse.
pub(super) fn check_footer(file: &impl ChunkReader) -> Result<()> {
    let Some(start) = file.len().checked_sub(FOOTER_BYTES) else { return Ok(()) };
    let end = file.get_bytes(start, FOOTER_BYTES as usize)?;
    let (length, magic) = end.split_at(4);
    let length = length.try_into().map_or(0, u32::from_le_bytes);
    match start.checked_sub(length.into()) {
        Some(from) if magic == b"PAR1" => thrift::footer(&file.get_bytes(from, length as usize)?),
        _ => Ok(()),
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
