//! The documents about the commands, held to what the commands do.

use std::fs;
use std::path::Path;

use assay_ledger::charter::Charter;

fn charter_page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/CHARTER.md")).unwrap()
}

/// The first block of TOML.
fn example(page: &str) -> &str {
    let start = page.find("```toml\n").unwrap() + "```toml\n".len();
    &page[start..start + page[start..].find("```").unwrap()]
}

#[test]
fn the_example_of_a_charter_stands() {
    let page = charter_page();
    let charter = Charter::parse(example(&page)).unwrap();
    // It shows the defaults: leaving them out changes nothing.
    let cut = example(&page)
        .split("[gate]")
        .next()
        .unwrap()
        .replace("features = []\n", "")
        .replace("upfront = false\n", "");
    assert_eq!(Charter::parse(&cut).unwrap(), charter);
}

#[test]
fn the_page_has_every_field_of_a_charter_and_no_other() {
    let page = charter_page();
    let shown: toml::Table = example(&page).parse().unwrap();
    let mut fields = Vec::new();
    for (name, value) in &shown {
        match value.as_table() {
            Some(section) => fields.extend(section.keys().map(|key| format!("{name}.{key}"))),
            None => fields.push(name.clone()),
        }
    }
    // The struct refuses unknown fields and its document names all, so that the example cannot lack one.
    let all = serde_json::to_value(Charter::parse(example(&page)).unwrap()).unwrap();
    for (name, value) in all.as_object().unwrap() {
        match value.as_object() {
            Some(section) => section
                .keys()
                .for_each(|key| assert!(fields.contains(&format!("{name}.{key}")), "{name}.{key}")),
            None => assert!(fields.contains(name), "{name}"),
        }
    }
    let explained: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let missing: Vec<&String> = fields.iter().filter(|field| !explained.contains(&field.as_str())).collect();
    assert!(missing.is_empty(), "not explained: {missing:?}");
    assert!(
        explained.iter().all(|name| fields.iter().any(|f| f == name)),
        "explained and not there: {explained:?}"
    );
}
