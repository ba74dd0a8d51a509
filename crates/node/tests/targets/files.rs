//! Small files of records of every kind.
#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

use std::io::Write;
use std::sync::Arc;

use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

pub const LINES: &[u8] = b"{\"id\":\"a\",\"label\":\"x\",\"n\":1,\"e\":[1,2.5],\"t\":\"caf\xc3\xa9 \\u00e9\\n\"}\n{\"id\":\"b\",\"label\":null,\"n\":-1.5e3,\"e\":[3,4],\"t\":\"\\ud83d\\ude00\"}\n";
pub const CSV: &[u8] =
    b"id,label,n,text\r\n007,a,1.5,\"x \"\"y\"\",\nz\"\r\n008,b,-2e3,caf\xc3\xa9\r\n009,c,NaN,\r\n";

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn zstandard(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// Three records: text with one missing, numbers, big integers, times, and an embedding of two numbers.
pub fn parquet() -> Vec<u8> {
    let schema = "message m { optional binary text (UTF8); required double x; required int64 big;
        required int64 time (TIMESTAMP(MICROS,true)); required group e (LIST) { repeated group list { required double element; } } }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut out = Vec::new();
    let mut file =
        SerializedFileWriter::new(&mut out, schema, Arc::new(WriterProperties::builder().build())).unwrap();
    let mut group = file.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let texts: Vec<ByteArray> = ["caf\u{e9}", "two"].iter().map(|&t| t.into()).collect();
    column.typed::<ByteArrayType>().write_batch(&texts, Some(&[1, 0, 1]), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<DoubleType>().write_batch(&[1.5, -2.0, 0.1], None, None).unwrap();
    column.close().unwrap();
    for numbers in [[1_i64 << 60, 2, 3], [0, 1_000_000, 1_767_589_367_250_000]] {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&numbers, None, None).unwrap();
        column.close().unwrap();
    }
    let mut column = group.next_column().unwrap().unwrap();
    let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    column.typed::<DoubleType>().write_batch(&values, Some(&[1; 6]), Some(&[0, 1, 0, 1, 0, 1])).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    file.close().unwrap();
    out
}
