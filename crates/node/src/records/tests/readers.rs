use proptest::prelude::*;

use super::*;

const LINES: &str = "{\"id\":\"a\",\"n\":1,\"e\":[1,2.5]}\n\n{\"id\":\"b\",\"extra\":true,\"e\":[0,-1e3]}\r\n{\"n\":3.25,\"id\":null,\"e\":[7,8]}";

#[test]
fn json_lines_become_columns() {
    let table = read_bytes("x.jsonl", LINES.as_bytes()).unwrap();
    assert_eq!(table.rows(), 3);
    assert_eq!(table.names(), ["id", "n", "e", "extra"]);
    let rows: Vec<String> = (0..3).map(|i| table.row_json(i)).collect();
    assert_eq!(rows[0], r#"{"e":[1,2.5],"id":"a","n":1}"#);
    assert_eq!(rows[1], r#"{"e":[0,-1000],"extra":"true","id":"b"}"#);
    assert_eq!(rows[2], r#"{"e":[7,8],"n":3.25}"#);
    assert_eq!(table.place(1), Place::Line(3), "the blank line counts");
}

#[test]
fn compression_and_byte_order_mark_change_nothing() {
    let plain = read_bytes("x", LINES.as_bytes()).unwrap();
    let marked = [b"\xef\xbb\xbf".as_slice(), LINES.as_bytes()].concat();
    let halves = [gzip(&LINES.as_bytes()[..40]), gzip(&LINES.as_bytes()[40..])].concat();
    for bytes in [marked.clone(), gzip(LINES.as_bytes()), zstandard(LINES.as_bytes()), gzip(&marked), halves]
    {
        // As printed, since a missing number is not equal to itself.
        assert_eq!(format!("{:?}", read_bytes("x", &bytes).unwrap()), format!("{plain:?}"));
    }
}

#[test]
fn mixed_columns_become_text_with_numbers_as_they_print() {
    let table =
        read_bytes("x", b"{\"label\":3}\n{}\n{\"label\":\"3\"}\n{\"label\":0.1}\n{\"label\":true}").unwrap();
    let Cells::Text(strings) = &table.columns()[0].cells else { panic!("not text") };
    assert_eq!(strings.iter().collect::<Vec<_>>(), [Some("3"), None, Some("3"), Some("0.1"), Some("true")]);
}

#[test]
fn integers_beyond_doubles_keep_their_digits() {
    let table =
        read_bytes("x", b"{\"id\":9007199254740993}\n{\"id\":-9007199254740993}\n{\"id\":1}").unwrap();
    assert_eq!(table.row_json(0), r#"{"id":"9007199254740993"}"#);
    assert_eq!(table.row_json(2), r#"{"id":"1"}"#);
}

#[test]
fn broken_json_is_located() {
    let line = |second: &str| error("t.jsonl", format!("{{\"a\":1}}\n{second}\n{{\"a\":2}}\n").as_bytes());
    let cases = [
        ("{\"a\":1", Fault::BadJson("EOF while parsing an object at character 6".into())),
        ("{\"a\":1} x", Fault::BadJson("trailing characters at character 9".into())),
        ("{\"a\":01}", Fault::BadJson("invalid number at character 7".into())),
        ("{\"a\":1e999}", Fault::BadJson("number out of range at character 10".into())),
        ("{\"a\":NaN}", Fault::NotJsonNumber),
        ("{\"a\":-Infinity}", Fault::NotJsonNumber),
        ("{\"a\":[1,NaN]}", Fault::NotJsonNumber),
        ("[1,2]", Fault::NotAnObject),
        ("hello", Fault::NotAnObject),
        ("{\"a\":{\"b\":1}}", Fault::Nested),
        ("{\"a\":[]}", Fault::BadVector(0)),
        ("{\"a\":[\"x\"]}", Fault::NotNumbers),
        ("{\"a\":[1,null]}", Fault::NotNumbers),
        ("{\"a\":[1,[2]]}", Fault::NotNumbers),
        ("{\"a\":[1,2]}", Fault::VectorLength { expected: 0, found: 2 }),
        ("{\"a\":1,\"a\":2}", Fault::RepeatedField),
        ("{\"\":1}", Fault::BadName),
    ];
    for (text, fault) in cases {
        let error = line(text);
        assert_eq!((&error.fault, error.place), (&fault, Some(Place::Line(2))), "{text}");
        assert!(!error.hint().is_empty());
    }
    assert_eq!(line("{\"a\":{}}").field.as_deref(), Some("a"));
    assert_eq!(line("{\"a\":1,\"a\":2}").to_string(), "t.jsonl, line 2, field \"a\": appears twice");
    assert_eq!(error("t.jsonl", b"{\"a\":\"\xff\"}").fault, Fault::NotUtf8);
}

#[test]
fn broken_files_are_named() {
    let whole = gzip(format!("{LINES}\n").repeat(50).as_bytes());
    assert_eq!(error("t.jsonl.gz", &whole[..whole.len() - 9]).fault, Fault::Truncated);
    assert_eq!(error("t.jsonl.gz", &whole[..12]).fault, Fault::Truncated);
    let mut damaged = whole.clone();
    let last = damaged.len() - 6;
    damaged[last] ^= 1; // the checksum
    assert!(matches!(error("t.jsonl.gz", &damaged).fault, Fault::Damaged(_)));
    let whole = zstandard(LINES.as_bytes());
    assert_eq!(error("t.jsonl.zst", &whole[..whole.len() - 3]).fault, Fault::Truncated);
    for empty in [&b""[..], b"\n\n  \n", b"\xef\xbb\xbf", &gzip(b"")] {
        assert_eq!(error("t.jsonl", empty).fault, Fault::Empty);
    }
    assert_eq!(error("t.csv", b"a,b\n").fault, Fault::Empty);
    assert!(matches!(error("t", &gzip(&gzip(b"{}"))).fault, Fault::UnknownFormat(_)));
    assert!(matches!(error("t", b"\xff\xfe{\0").fault, Fault::UnknownFormat(_)));
    assert!(matches!(error("t", b"MZ\0\0\0").fault, Fault::UnknownFormat(_)));
    let parquet = parquet();
    assert!(matches!(error("t.parquet", &parquet[..parquet.len() - 5]).fault, Fault::BadParquet(_)));
    assert!(matches!(
        read_file(std::path::Path::new("no/such/file")).unwrap_err().fault,
        Fault::Unreadable(_)
    ));
    assert!(matches!(read_file(std::path::Path::new(".")).unwrap_err().fault, Fault::Unreadable(_)));
}

#[test]
fn a_long_line_is_refused_before_it_is_stored() {
    let line = format!("{{\"a\":\"{}\"}}\n{{\"a\":\"x\"}}", "y".repeat(limits::MAX_RECORD_BYTES));
    let found = error("t.jsonl", line.as_bytes());
    assert_eq!((found.fault, found.place), (Fault::RecordTooLong, Some(Place::Line(1))));
    let csv = format!("a\n\"{}\n{}\"\n", "y".repeat(5 << 20), "y".repeat(5 << 20));
    assert_eq!(error("t.csv", csv.as_bytes()).fault, Fault::RecordTooLong);
}

#[test]
fn one_wide_array_among_many_records_is_refused_before_it_is_stored() {
    let mut text = "{}\n".repeat(limits::MAX_CELLS / limits::MAX_VECTOR + 1);
    text.push_str(&format!("{{\"e\":[{}1]}}", "1,".repeat(limits::MAX_VECTOR - 1)));
    assert_eq!(error("t.jsonl", text.as_bytes()).fault, Fault::TooManyCells);
    let first = format!(
        "{{\"e\":[{}1]}}\n{}",
        "1,".repeat(limits::MAX_VECTOR - 1),
        text.split_once("{\"e\"").unwrap().0
    );
    assert_eq!(error("t.jsonl", first.as_bytes()).fault, Fault::TooManyCells);
}

#[test]
fn csv_becomes_columns() {
    let text = "id, x ,label,note\r\n007,1.5,3,\"a \"\"b\"\",\nc\"\n\n008,-2,4,\n009,,5,\"\"\n";
    let table = read_bytes("t.csv", text.as_bytes()).unwrap();
    let rows: Vec<String> = (0..3).map(|i| table.row_json(i)).collect();
    assert_eq!(rows[0], r#"{"id":"007","label":3,"note":"a \"b\",\nc","x":1.5}"#);
    assert_eq!(rows[1], r#"{"id":"008","label":4,"x":-2}"#);
    assert_eq!(rows[2], r#"{"id":"009","label":5,"note":""}"#);
    assert_eq!((0..3).map(|i| table.place(i).number()).collect::<Vec<_>>(), [2, 5, 6]);
}

#[test]
fn csv_numbers_that_are_not_there_keep_the_column_numeric() {
    let table = read_bytes("t.csv", b"a,b\n1,x\nNaN,2\n-inf,3\nNA,4\n").unwrap();
    let Cells::Number(a) = &table.columns()[0].cells else { panic!("not numeric") };
    assert!(a[0] == 1.0 && a[1..].iter().all(|x| x.is_nan()));
    assert!(matches!(table.columns()[1].cells, Cells::Text(_)));
}

#[test]
fn broken_csv_is_located() {
    let cases = [
        ("a,b\n1,2\n1\n", Fault::FieldCount { expected: 2, found: 1 }, 3),
        ("a,b\n1,2,3\n", Fault::FieldCount { expected: 2, found: 3 }, 2),
        ("a,b\n1,2\n\"x,2\n3,4\n", Fault::OpenQuote, 3),
        ("a,b\n\"x\ny\"z,2\n", Fault::AfterQuote, 3),
        ("a,a\n1,2\n", Fault::RepeatedField, 1),
        ("a,\n1,2\n", Fault::BadName, 1),
    ];
    for (text, fault, line) in cases {
        let error = error("t.csv", text.as_bytes());
        assert_eq!((error.fault, error.place), (fault, Some(Place::Line(line))), "{text}");
    }
    assert_eq!(error("t.csv", b"a\n1\n\xff\n").fault, Fault::NotUtf8);
    assert_eq!(error("t.csv", b"a,b\n\xc3,\xa9\n").fault, Fault::NotUtf8);
}

#[test]
fn parquet_becomes_columns() {
    let table = read_bytes("t.parquet", &parquet()).unwrap();
    let rows: Vec<String> = (0..3).map(|i| table.row_json(i)).collect();
    assert_eq!(
        rows[0],
        r#"{"big":"1152921504606846976","e":[1,2],"text":"café","time":"1970-01-01T00:00:00.000000Z","x":1.5}"#
    );
    assert_eq!(rows[1], r#"{"big":"2","e":[3,4],"time":"1970-01-01T00:00:01.000000Z","x":-2}"#);
    assert_eq!(rows[2], r#"{"big":"3","e":[5,6],"text":"two","time":"2026-01-05T05:02:47.250000Z","x":0.1}"#);
    assert_eq!(table.place(2), Place::Row(3));
}

proptest! {
    /// Whatever is written as CSV by another implementation reads back.
    #[test]
    fn csv_reads_what_the_csv_crate_writes(rows in prop::collection::vec(prop::collection::vec("[a-z\",\n\r \u{e9}]{0,6}", 3), 1..8)) {
        let mut writer = ::csv::Writer::from_writer(Vec::new());
        writer.write_record(["a", "b", "c"]).unwrap();
        // A letter in each field, so that no row is blank and nothing is a number.
        let rows: Vec<Vec<String>> = rows.into_iter().map(|r| r.into_iter().map(|f| format!("z{f}")).collect()).collect();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let table = read_bytes("t.csv", &writer.into_inner().unwrap()).unwrap();
        for (k, column) in table.columns().iter().enumerate() {
            let Cells::Text(strings) = &column.cells else { panic!("not text") };
            let expected: Vec<_> = rows.iter().map(|r| Some(r[k].as_str())).collect();
            prop_assert_eq!(strings.iter().collect::<Vec<_>>(), expected);
        }
    }

    /// A flat object comes back as another implementation of RFC 8785 writes it.
    #[test]
    fn json_lines_read_back_canonical(fields in prop::collection::btree_map(".{1,4}", prop_oneof![
        ".{0,8}".prop_map(serde_json::Value::from),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
    ], 0..6)) {
        let object = serde_json::to_value(&fields).unwrap();
        let table = read_bytes("t.jsonl", object.to_string().as_bytes()).unwrap();
        prop_assert_eq!(table.row_json(0), serde_json_canonicalizer::to_string(&object).unwrap());
    }

    /// Numbers print as ECMAScript prints them.
    #[test]
    fn numbers_print_as_in_rfc_8785(bits in any::<u64>()) {
        let x = f64::from_bits(bits);
        prop_assume!(x.is_finite());
        prop_assert_eq!(number_text(x), serde_json_canonicalizer::to_string(&x).unwrap());
    }
}
