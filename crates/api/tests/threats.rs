//! Every test that docs/THREATS.md names is there, so that a promise cannot outlive what shows it.
#![allow(clippy::unwrap_used)]

use std::path::Path;

const THREATS: &str = include_str!("../../../docs/THREATS.md");

/// The `file::test` pairs in backquotes.
fn named() -> impl Iterator<Item = (&'static str, &'static str)> {
    THREATS.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_once(".rs::"))
}

/// Whether the function stands below a `#[test]`, perhaps with other attributes between.
fn is_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let head = format!("fn {name}(");
    let at = lines.iter().position(|line| line.starts_with(&head));
    at.is_some_and(|at| lines[at.saturating_sub(4)..at].contains(&"#[test]"))
}

#[test]
fn every_named_test_is_there() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (file, test) in named() {
        let path = crates.join(format!("{file}.rs"));
        let source = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(is_test(&source, test), "{} has no test {test}", path.display());
    }
    assert!(named().count() > 50);
}

#[test]
fn every_actor_has_what_is_not_stopped() {
    let actors: Vec<&str> =
        THREATS.split("\n## ").skip(1).filter(|section| section.contains("| wants |")).collect();
    assert_eq!(actors.len(), 9);
    for actor in actors {
        let (stopped, open) = actor.split_once("\nNot stopped:\n").unwrap();
        let rows = stopped.lines().filter(|line| line.starts_with("| to ") || line.contains(".rs::"));
        assert!(rows.clone().all(|row| row.contains(".rs::")), "a row of {stopped} names no test");
        assert!(rows.count() >= 2 && open.contains("\n- "));
    }
}
