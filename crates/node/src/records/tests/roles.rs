use super::*;

fn table(lines: &str) -> RecordTable {
    read_bytes("t.jsonl", lines.as_bytes()).unwrap()
}

fn select(roles: &ColumnRoles, lines: &str) -> Result<Selected, RecordError> {
    let table = table(lines);
    roles.resolve(&table)?.select(&table)
}

fn features(names: &[&str]) -> ColumnRoles {
    let names = names.iter().map(|&n| n.to_owned()).collect();
    ColumnRoles { features: Some(FeatureChoice::Columns(names)), ..ColumnRoles::default() }
}

#[test]
fn defaults_are_the_usual_names() {
    let lines = r#"{"id":"a","contributor":"u","time":"2026-01-02","text":"one","label":"x","n":1}
{"id":"b","contributor":"v","time":"2026-01-01","text":"two","label":"y","n":2}
{"id":"c","contributor":"u","time":"2026-01-01","text":"three","label":"x","n":3}"#;
    let found = select(&ColumnRoles::default(), lines).unwrap();
    assert_eq!(found.columns.text.unwrap(), ["one", "two", "three"]);
    assert_eq!(found.columns.numbers, None);
    assert_eq!(found.labels.names(), ["x", "y", "x"]);
    assert_eq!(found.contributors.unwrap(), ["u", "v", "u"]);
    assert_eq!(found.ids, ["a", "b", "c"]);
    assert_eq!(found.order, [1, 2, 0]);
    let table = table(lines);
    assert_eq!(ColumnRoles::default().resolve(&table).unwrap().unused, ["n"]);
    assert_eq!(
        features(&["n"]).resolve(&table).unwrap().text,
        None,
        "named features replace the default text"
    );
}

#[test]
fn automatic_features_are_the_numbers_without_a_role() {
    let found = select(&ColumnRoles::default(), "{\"label\":1,\"e\":[1,2],\"x\":3,\"time\":5,\"note\":\"n\"}\n{\"label\":0,\"e\":[4,5],\"x\":6,\"time\":4,\"note\":\"m\"}").unwrap();
    assert_eq!(found.columns.number_names, ["e[0]", "e[1]", "x"]);
    assert_eq!(found.columns.numbers.unwrap().data(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(found.labels, Labels::Number(vec![1.0, 0.0]));
    assert_eq!((found.ids, found.order), (vec!["#1".to_owned(), "#2".to_owned()], vec![1, 0]));
}

#[test]
fn a_missing_column_lists_the_others() {
    let error = select(&features(&["y"]), "{\"label\":1,\"x\":3}").unwrap_err();
    assert_eq!(error.to_string(), r#"t.jsonl, field "y": does not exist; the file has "label", "x""#);
    let error = select(&ColumnRoles::default(), "{\"x\":3}").unwrap_err();
    assert_eq!((error.field.as_deref(), error.fault), (Some("label"), Fault::NoColumn(vec!["x".into()])));
    let error = select(&ColumnRoles::default(), "{\"label\":3,\"z\":\"t\"}").unwrap_err();
    assert!(matches!(error.fault, Fault::NoFeatures(_)));
}

#[test]
fn what_a_role_needs_is_located() {
    let cases = [
        ("{\"label\":1,\"x\":1}\n{\"label\":1}", "x", Fault::NotFinite),
        ("{\"label\":1,\"x\":1}\n{\"label\":1,\"x\":\"one\"}", "x", Fault::NotANumber("one".into())),
        ("{\"label\":1,\"x\":1}\n{\"x\":1}", "label", Fault::NotFinite),
        ("{\"label\":\"a\",\"x\":1}\n{\"label\":\" \",\"x\":1}", "label", Fault::Missing),
        (
            "{\"label\":1,\"x\":1,\"id\":\"a\"}\n{\"label\":1,\"x\":1,\"id\":\"a\"}",
            "id",
            Fault::RepeatedId("a".into()),
        ),
        ("{\"label\":1,\"x\":1,\"contributor\":\"a\"}\n{\"label\":1,\"x\":1}", "contributor", Fault::Missing),
        (
            "{\"label\":1,\"x\":1,\"time\":\"2026-01-01\"}\n{\"label\":1,\"x\":1,\"time\":\"soon\"}",
            "time",
            Fault::NotATime("soon".into()),
        ),
    ];
    for (lines, field, fault) in cases {
        let error = select(&features(&["x"]), lines).unwrap_err();
        assert_eq!(
            (error.fault, error.place, error.field.as_deref()),
            (fault, Some(Place::Line(2)), Some(field)),
            "{lines}"
        );
    }
}
