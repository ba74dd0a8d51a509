//! The two things that Parquet files say in Thrift's compact protocol
//! (<https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>): page headers, and the footer.
//!
//! The library reads known fields by their numbers alone, takes truth values in lists for no bytes at all, and goes on
//! through a list behind the end of the file. So all of it is walked first: every length and count must fit the bytes that
//! follow, and every known field must be what it is known as, so that the library sees nothing else than is walked here.

use parquet::errors::{ParquetError, Result};

const NESTING_MAX: u32 = 16;

fn refused<T>(what: impl Into<String>) -> Result<T> {
    Err(ParquetError::General(what.into()))
}

/// The `uncompressed_page_size` (field 2) of a page header.
pub(super) fn page_size(header: &[u8]) -> Result<u64> {
    let mut walk = Walk { rest: header, size: None };
    walk.structure(Struct::Page, 0)?;
    match walk.size {
        Some(size) => u64::try_from(size).or_else(|_| refused("a page claims a negative size")),
        None => refused("a page header has no size"),
    }
}

/// Walks a footer. No list of it has more members than bytes.
pub(super) fn footer(bytes: &[u8]) -> Result<()> {
    Walk { rest: bytes, size: None }.structure(Struct::File, 0)
}

/// The structs of the format (<https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>).
#[derive(Clone, Copy)]
enum Struct {
    Page,
    DataPage,
    DictionaryPage,
    DataPageV2,
    Statistics,
    File,
    SchemaElement,
    LogicalType,
    Decimal,
    Time,
    Integer,
    Variant,
    Geometry,
    Geography,
    RowGroup,
    SortingColumn,
    ColumnChunk,
    ColumnMetaData,
    PageEncodingStats,
    SizeStatistics,
    GeospatialStatistics,
    BoundingBox,
    KeyValue,
    Crypto,
    ColumnKey,
    Encryption,
    AesGcm,
    /// A struct without fields, or a union of such, or of a format to come.
    Other,
}

/// What a field or a member of a list is.
#[derive(Clone, Copy)]
enum Known {
    Bool,
    I8,
    I16,
    I32,
    I64,
    Double,
    Binary,
    Struct(Struct),
    /// A list of things of one of these.
    List(&'static Known),
    /// Anything but a known field.
    Other,
}

impl Struct {
    /// What the field of this number is.
    #[rustfmt::skip]
    fn field(self, number: i64) -> Known {
        use Known::{Binary, Bool, Double, I8, I16, I32, I64, List, Other, Struct as Of};
        match (self, number) {
            (Self::Page, 1..=4) => I32,
            (Self::Page, 5) => Of(Self::DataPage),
            (Self::Page, 6) => Of(Self::Other),
            (Self::Page, 7) => Of(Self::DictionaryPage),
            (Self::Page, 8) => Of(Self::DataPageV2),
            (Self::DataPage, 1..=4) | (Self::DictionaryPage, 1..=2) | (Self::DataPageV2, 1..=6) => I32,
            (Self::DataPage, 5) | (Self::DataPageV2, 8) => Of(Self::Statistics),
            (Self::DictionaryPage, 3) | (Self::DataPageV2, 7) => Bool,
            (Self::Statistics, 1..=2 | 5..=6) => Binary,
            (Self::Statistics, 3..=4) => I64,
            (Self::Statistics, 7..=8) => Bool,
            (Self::File, 1) => I32,
            (Self::File, 2) => List(&Of(Self::SchemaElement)),
            (Self::File, 3) => I64,
            (Self::File, 4) => List(&Of(Self::RowGroup)),
            (Self::File, 5) => List(&Of(Self::KeyValue)),
            (Self::File, 6 | 9) => Binary,
            (Self::File, 7) => List(&Of(Self::Other)),
            (Self::File, 8) => Of(Self::Encryption),
            (Self::SchemaElement, 1..=3 | 5..=9) => I32,
            (Self::SchemaElement, 4) => Binary,
            (Self::SchemaElement, 10) => Of(Self::LogicalType),
            (Self::LogicalType, 5) => Of(Self::Decimal),
            (Self::LogicalType, 7..=8) => Of(Self::Time),
            (Self::LogicalType, 10) => Of(Self::Integer),
            (Self::LogicalType, 16) => Of(Self::Variant),
            (Self::LogicalType, 17) => Of(Self::Geometry),
            (Self::LogicalType, 18) => Of(Self::Geography),
            (Self::LogicalType, 1..=4 | 6 | 11..=15) => Of(Self::Other),
            (Self::Decimal, 1..=2) => I32,
            (Self::Time, 1) => Bool,
            (Self::Time, 2) => Of(Self::Other),
            (Self::Integer, 1) | (Self::Variant, 1) => I8,
            (Self::Integer, 2) => Bool,
            (Self::Geometry | Self::Geography, 1) => Binary,
            (Self::Geography, 2) => I32,
            (Self::RowGroup, 1) => List(&Of(Self::ColumnChunk)),
            (Self::RowGroup, 2..=3 | 5..=6) => I64,
            (Self::RowGroup, 4) => List(&Of(Self::SortingColumn)),
            (Self::RowGroup, 7) => I16,
            (Self::SortingColumn, 1) => I32,
            (Self::SortingColumn, 2..=3) => Bool,
            (Self::ColumnChunk, 1 | 9) => Binary,
            (Self::ColumnChunk, 2 | 4 | 6) => I64,
            (Self::ColumnChunk, 3) => Of(Self::ColumnMetaData),
            (Self::ColumnChunk, 5 | 7) => I32,
            (Self::ColumnChunk, 8) => Of(Self::Crypto),
            (Self::ColumnMetaData, 1 | 4 | 15) => I32,
            (Self::ColumnMetaData, 2) => List(&I32),
            (Self::ColumnMetaData, 3) => List(&Binary),
            (Self::ColumnMetaData, 5..=7 | 9..=11 | 14) => I64,
            (Self::ColumnMetaData, 8) => List(&Of(Self::KeyValue)),
            (Self::ColumnMetaData, 12) => Of(Self::Statistics),
            (Self::ColumnMetaData, 13) => List(&Of(Self::PageEncodingStats)),
            (Self::ColumnMetaData, 16) => Of(Self::SizeStatistics),
            (Self::ColumnMetaData, 17) => Of(Self::GeospatialStatistics),
            (Self::PageEncodingStats, 1..=3) => I32,
            (Self::SizeStatistics, 1) => I64,
            (Self::SizeStatistics, 2..=3) => List(&I64),
            (Self::GeospatialStatistics, 1) => Of(Self::BoundingBox),
            (Self::GeospatialStatistics, 2) => List(&I32),
            (Self::BoundingBox, 1..=8) => Double,
            (Self::KeyValue, 1..=2) => Binary,
            (Self::Crypto, 1) => Of(Self::Other),
            (Self::Crypto, 2) => Of(Self::ColumnKey),
            (Self::ColumnKey, 1) => List(&Binary),
            (Self::ColumnKey, 2) => Binary,
            (Self::Encryption, 1..=2) => Of(Self::AesGcm),
            (Self::AesGcm, 1..=2) => Binary,
            (Self::AesGcm, 3) => Bool,
            _ => Other,
        }
    }
}

struct Walk<'a> {
    rest: &'a [u8],
    /// The size of a page, when it was met.
    size: Option<i64>,
}

impl Walk<'_> {
    fn byte(&mut self) -> Result<u8> {
        match self.rest.split_first() {
            Some((&byte, rest)) => {
                self.rest = rest;
                Ok(byte)
            }
            None => refused("what a file or a page says of itself is cut off"),
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
        refused("a number that a file or a page says of itself is too long")
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
            None => refused("a length that a file or a page says of itself passes its end"),
        }
    }

    fn structure(&mut self, of: Struct, depth: u32) -> Result<()> {
        if depth > NESTING_MAX {
            return refused("what a file or a page says of itself is nested too deeply");
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
                return refused("a field has a number that is none");
            }
            match (of.field(field), head & 0x0f) {
                (Known::I32, 5) if matches!((of, field), (Struct::Page, 2)) => {
                    self.size = Some(self.zigzag()?)
                }
                // A truth value lives in its type.
                (Known::Bool | Known::Other, 1 | 2) => {}
                (known, kind) => self.value(known, kind, depth)?,
            }
        }
    }

    /// A value of a type that takes bytes.
    fn value(&mut self, known: Known, kind: u8, depth: u32) -> Result<()> {
        match (known, kind) {
            (Known::I8 | Known::Other, 3) => self.skip(1),
            (Known::I16 | Known::Other, 4)
            | (Known::I32 | Known::Other, 5)
            | (Known::I64 | Known::Other, 6) => self.varint().map(drop),
            (Known::Double | Known::Other, 7) => self.skip(8),
            (Known::Binary | Known::Other, 8) => {
                let length = self.varint()?;
                self.skip(length)
            }
            (Known::List(member), 9) => self.list(*member, depth + 1),
            (Known::Other, 9) => self.list(Known::Other, depth + 1),
            (Known::Struct(inner), 12) => self.structure(inner, depth + 1),
            (Known::Other, 12) => self.structure(Struct::Other, depth + 1),
            _ => refused("a field is of another type than it must be"),
        }
    }

    /// Every member takes a byte at least, so that no count is above what is left.
    fn list(&mut self, member: Known, depth: u32) -> Result<()> {
        if depth > NESTING_MAX {
            return refused("what a file or a page says of itself is nested too deeply");
        }
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        if count > self.rest.len() as u64 {
            return refused("a list passes the end of what a file or a page says of itself");
        }
        (0..count).try_for_each(|_| self.value(member, head & 0x0f, depth))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A list of truth values takes no bytes to go past: one of 2^31 took the library seconds, and twenty fit 130 bytes.
    #[test]
    fn lists_that_cost_nothing_to_write_are_refused() {
        let endless = [0xf1, 0xff, 0xff, 0xff, 0xff, 0x07];
        for before in [&[0xf9][..], &[0x19], &[0x29], &[0x59], &[0xf9, 0xf9, 20]] {
            let bytes = [before, &endless, &[0]].concat();
            assert!(footer(&bytes).is_err() && page_size(&bytes).is_err(), "{bytes:x?}");
        }
        // A known list as what is no list, and the other way round.
        assert!(footer(&[0x28, 3, 0xf1, 0xff, 0x07, 0]).unwrap_err().to_string().contains("another type"));
        assert!(footer(&[0x69, 0x10, 0]).unwrap_err().to_string().contains("another type"));
        let deep = [vec![0x1c; 40], vec![0; 40]].concat();
        assert!(footer(&[&[0xf9, 0x1c], &deep[..]].concat()).is_err());
    }

    #[test]
    fn what_a_later_format_adds_is_let_through() {
        // Field 30: a list of two structs; field 31: a number; field 32: a truth value.
        assert!(footer(&[0x09, 60, 0x2c, 0x15, 2, 0, 0, 0x16, 4, 0x11, 0]).is_ok());
    }
}
