//! The documents about the commands, held to what the commands do.

use std::fs;
use std::path::Path;

use assay_ledger::charter::Charter;

use super::World;

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)).unwrap()
}

/// The first block in some language.
fn block<'a>(page: &'a str, language: &str) -> &'a str {
    let fence = format!("```{language}\n");
    let start = page.find(&fence).unwrap() + fence.len();
    &page[start..start + page[start..].find("```").unwrap()]
}

fn example(page: &str) -> &str {
    block(page, "toml")
}

/// Every line of the walk through the commands runs, in order.
#[test]
fn the_walk_runs_as_it_is_written() {
    let world = World::bare();
    let page = page("COMMANDS.md");
    let lines = block(&page, "sh").lines().filter_map(|line| line.split(" #").next()?.strip_prefix("assay "));
    let mut ran = 0;
    for line in lines {
        world.says(line.trim());
        ran += 1;
    }
    assert_eq!(ran, 35);
}

#[test]
fn the_example_of_a_charter_stands() {
    let page = page("CHARTER.md");
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
    let page = page("CHARTER.md");
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
