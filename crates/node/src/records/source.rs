//! Opening a record file: which format, which compression, and bounds on both.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use super::error::{Fault, RecordError};
use super::table::RecordTable;
use super::{csv, jsonl, limits, parquet};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const PARQUET: [u8; 4] = *b"PAR1";
const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Reads a record file: JSON Lines or CSV (plain, gzip or zstd) or Parquet. Compression and Parquet are told by
/// content, JSON Lines from CSV by the extension and, where that says nothing, by the first character.
pub fn read_file(path: &Path) -> Result<RecordTable, RecordError> {
    let name = path.display().to_string();
    let open = || File::open(path).map_err(|e| Fault::Unreadable(e.to_string()).in_file(&name));
    let mut input = BufReader::with_capacity(1 << 16, open()?);
    if peek(&mut input).map_err(|f| f.in_file(&name))?.starts_with(&PARQUET) {
        return parquet::read(&name, open()?);
    }
    read_text(&name, input)
}

/// Reads records that are already in memory; `name` stands for the file in messages and gives the extension.
pub fn read_bytes(name: &str, bytes: &[u8]) -> Result<RecordTable, RecordError> {
    if bytes.starts_with(&PARQUET) {
        return parquet::read(name, bytes::Bytes::copy_from_slice(bytes));
    }
    read_text(name, bytes)
}

fn read_text(name: &str, mut input: impl BufRead) -> Result<RecordTable, RecordError> {
    let head = peek(&mut input).map_err(|f| f.in_file(name))?;
    let (gzip, zstd) = (head.starts_with(&GZIP), head.starts_with(&ZSTD));
    let packed = Rc::new(Cell::new(0));
    let input = Counted { input, bytes: Rc::clone(&packed) };
    if gzip {
        read_plain(name, flate2::bufread::MultiGzDecoder::new(input), packed)
    } else if zstd {
        let decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(|e| fault(&e).in_file(name))?;
        read_plain(name, decoder, packed)
    } else {
        read_plain(name, input, packed)
    }
}

fn read_plain(name: &str, input: impl Read, packed: Rc<Cell<u64>>) -> Result<RecordTable, RecordError> {
    let mut input = BufReader::with_capacity(1 << 16, Bounded { input, packed, bytes: 0 });
    let head = peek(&mut input).map_err(|f| f.in_file(name))?;
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Err(Fault::UnknownFormat("UTF-16 text").in_file(name));
    }
    if [&GZIP[..], &ZSTD, &PARQUET].iter().any(|magic| head.starts_with(magic)) {
        return Err(Fault::UnknownFormat("compressed twice").in_file(name));
    }
    if head.contains(&0) {
        return Err(Fault::UnknownFormat("binary data").in_file(name));
    }
    let bom = head.starts_with(&BOM);
    let first = head.iter().skip(if bom { BOM.len() } else { 0 }).find(|b| !b.is_ascii_whitespace()).copied();
    if bom {
        input.consume(BOM.len());
    }
    match (extension(name), first) {
        (_, None) => Err(Fault::Empty.in_file(name)),
        (Some("csv"), _) => csv::read(name, input),
        (Some("jsonl" | "ndjson" | "json"), _) | (_, Some(b'{' | b'[')) => jsonl::read(name, input),
        _ => csv::read(name, input),
    }
}

/// The extension that names the format, past that of the compression.
fn extension(name: &str) -> Option<&str> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    name.rsplit_once('.').map(|(_, extension)| extension)
}

fn peek(input: &mut impl BufRead) -> Result<&[u8], Fault> {
    input.fill_buf().map_err(|e| fault(&e))
}

/// What a failed read means.
pub(super) fn fault(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Fault::Truncated,
        io::ErrorKind::FileTooLarge => Fault::FileTooLarge,
        io::ErrorKind::QuotaExceeded => Fault::UnpacksTooFar,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::Other => {
            Fault::Damaged(error.to_string())
        }
        _ => Fault::Unreadable(error.to_string()),
    }
}

/// Counts the bytes of a file as they are used.
struct Counted<R> {
    input: R,
    bytes: Rc<Cell<u64>>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buf)?;
        self.bytes.set(self.bytes.get() + n as u64);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.input.consume(amount);
        self.bytes.set(self.bytes.get() + amount as u64);
    }
}

/// Fails once more has come out than a file may hold, or than one of its size may.
struct Bounded<R> {
    input: R,
    packed: Rc<Cell<u64>>,
    bytes: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buf)?;
        self.bytes += n as u64;
        if self.bytes > limits::MAX_FILE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if self.bytes > limits::unpacked_max(self.packed.get()) {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        Ok(n)
    }
}

/// Appends the next line, its end included, to `out`; 0 at the end of input.
pub(super) fn read_line(input: &mut impl BufRead, out: &mut Vec<u8>) -> Result<usize, Fault> {
    let room = limits::MAX_RECORD_BYTES.saturating_sub(out.len()) as u64 + 1;
    let n = input.take(room).read_until(b'\n', out).map_err(|e| fault(&e))?;
    if out.len() > limits::MAX_RECORD_BYTES { Err(Fault::RecordTooLong) } else { Ok(n) }
}
