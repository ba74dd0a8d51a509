//! Files made to break the readers: each ends in a table or a clear refusal, in bounded time and memory.

use std::io::Write as _;

use super::*;

fn gzip(parts: usize, part: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    (0..parts).for_each(|_| out.write_all(part).unwrap());
    out.finish().unwrap()
}

fn zstd(parts: usize, part: &[u8]) -> Vec<u8> {
    let mut out = ::zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    (0..parts).for_each(|_| out.write_all(part).unwrap());
    out.finish().unwrap()
}

fn fault(name: &str, bytes: &[u8]) -> Fault {
    match read_bytes(name, bytes) {
        Ok(table) => panic!("{name} was read: {} records", table.rows()),
        Err(error) => error.fault,
    }
}

#[test]
fn bombs_are_stopped_by_what_they_unpack_to() {
    // 160 MiB of lines from under one: records, not one long line, so that only the ratio stops them.
    let lines = format!("{{\"text\":\"{}\"}}\n", "a".repeat(100_000)).repeat(4).into_bytes();
    let parts = (160 << 20) / lines.len();
    for (name, bomb) in [("x.jsonl.gz", gzip(parts, &lines)), ("x.jsonl.zst", zstd(parts, &lines))] {
        assert!(bomb.len() < 1 << 20);
        assert_eq!(fault(name, &bomb), Fault::UnpacksTooFar, "{name}");
    }
    let blanks = vec![b' '; 1 << 20];
    assert_eq!(fault("x.csv.zst", &zstd(100, &blanks)), Fault::Empty, "seen in the first page");
    // A file that packs well but is small is a file.
    assert_eq!(read_bytes("x.jsonl.gz", &gzip(4, &lines)).unwrap().rows(), 16);
}

#[test]
fn archives_in_archives_are_named() {
    let inner = gzip(1, b"{\"text\":\"a\"}\n");
    assert_eq!(fault("x.jsonl.gz", &gzip(1, &inner)), Fault::UnknownFormat("compressed twice"));
}

#[test]
fn nesting_is_refused_at_its_first_level() {
    let deep = 1 << 20;
    let objects = format!("{{\"text\":{}1{}}}", "{\"a\":".repeat(deep), "}".repeat(deep));
    assert_eq!(fault("x.jsonl", objects.as_bytes()), Fault::Nested);
    let arrays = format!("{{\"text\":{}{}}}", "[".repeat(deep), "]".repeat(deep));
    assert_eq!(fault("x.jsonl", arrays.as_bytes()), Fault::NotNumbers);
    assert_eq!(fault("x.jsonl", "[".repeat(deep).as_bytes()), Fault::NotAnObject);
}

#[test]
fn megabyte_lines_and_bytes_that_are_no_text() {
    let long = format!("{{\"text\":\"{}\"}}", "a".repeat(1 << 20));
    assert_eq!(read_bytes("x.jsonl", long.as_bytes()).unwrap().rows(), 1);
    let longer = format!("{{\"text\":\"{}\"}}", "a".repeat(limits::MAX_RECORD_BYTES));
    assert_eq!(fault("x.jsonl", longer.as_bytes()), Fault::RecordTooLong);
    for broken in
        [&b"{\"text\":\"\xC3\x28\"}"[..], b"{\"text\":\"\xED\xA0\x80\"}", b"{\"text\":\"\xF5\x80\x80\x80\"}"]
    {
        assert_eq!(fault("x.jsonl", broken), Fault::NotUtf8);
        assert_eq!(fault("x.csv", &[b"text\n", broken].concat()), Fault::NotUtf8);
    }
    assert!(matches!(fault("x.jsonl", b"{\"text\":\"\\ud800\"}"), Fault::BadJson(_)), "half of a pair");
}

/// A file of a hundred rows with one column, and the places in its footer that say so.
fn rows_100() -> (Vec<u8>, Vec<usize>) {
    let schema = Arc::new(parse_message_type("message m { required int64 n; }").unwrap());
    let mut out = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut out, schema, Arc::new(WriterProperties::builder().build())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&(0..100).collect::<Vec<_>>(), None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let footer =
        out.len() - 8 - u32::from_le_bytes(out[out.len() - 8..out.len() - 4].try_into().unwrap()) as usize;
    // 100 as a zigzag varint of the compact protocol.
    let says = (footer..out.len() - 8).filter(|&at| out[at..].starts_with(&[0xC8, 0x01])).collect();
    (out, says)
}

#[test]
fn parquet_that_lies_about_its_rows_is_refused() {
    let (honest, says) = rows_100();
    assert_eq!(read_bytes("x.parquet", &honest).unwrap().rows(), 100);
    assert!(says.len() >= 2, "the file and its group both say how many rows there are");
    // More rows, and fewer; in one place, and in all, where fewer is no lie but a shorter table.
    for (lie, most) in [([0xC8, 0x7F], 0), ([0xC6, 0x01], 99)] {
        let mut all = honest.clone();
        for &at in &says {
            let mut one = honest.clone();
            one[at..at + 2].copy_from_slice(&lie);
            all[at..at + 2].copy_from_slice(&lie);
            let rows = read_bytes("x.parquet", &one).map(|table| table.rows());
            assert!(rows.is_err() || rows == Ok(100), "{rows:?}");
        }
        match read_bytes("x.parquet", &all) {
            Ok(table) => assert!(table.rows() <= most),
            Err(error) => assert!(matches!(error.fault, Fault::BadParquet(_)), "{error}"),
        }
    }
}

#[test]
fn a_parquet_dictionary_is_counted_as_often_as_it_is_named() {
    let schema = Arc::new(parse_message_type("message m { required binary text (UTF8); }").unwrap());
    let mut out = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut out, schema, Arc::new(WriterProperties::builder().build())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let text = ByteArray::from("b".repeat(200_000).into_bytes());
    column.typed::<ByteArrayType>().write_batch(&vec![text; 1000], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    assert!(out.len() < 1 << 20, "{} bytes", out.len());
    assert_eq!(fault("x.parquet", &out), Fault::UnpacksTooFar);
}

/// Found by libFuzzer: what a page claimed took all memory there was.
#[test]
fn a_page_header_of_another_shape_is_refused_before_it_costs_memory() {
    let fault = fault("x.parquet", include_bytes!("endless.parquet"));
    assert!(matches!(fault, Fault::BadParquet(_)), "{fault:?}");
}

/// A row is decoded as a whole: what its list takes is counted before.
#[test]
fn a_list_that_takes_more_than_its_file_may_is_refused_before_it_is_decoded() {
    let schema = "message m { required group e (LIST) { repeated group list { required int64 element; } } }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut out = Vec::new();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut file = SerializedFileWriter::new(&mut out, schema, properties).unwrap();
    let mut group = file.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let mut repeats = vec![1_i16; 4 << 20];
    repeats[0] = 0;
    let (values, levels) = (vec![7_i64; repeats.len()], vec![1_i16; repeats.len()]);
    column.typed::<Int64Type>().write_batch(&values, Some(&levels), Some(&repeats)).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    file.close().unwrap();
    assert!(out.len() < 100_000, "{}", out.len());
    assert_eq!(fault("x.parquet", &out), Fault::UnpacksTooFar);
}
