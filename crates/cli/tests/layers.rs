//! The arrows of docs/ARCHITECTURE.md, held: which crate may import which, and what keeps the pure ones pure.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every crate and the crates of this project that it may import. Arrows run one way: up this list, never down.
const LAYERS: &[(&str, &[&str])] = &[
    ("tlog", &[]),
    ("ledger", &["tlog"]),
    ("quality", &[]),
    ("kernels", &[]),
    ("learn", &["kernels"]),
    ("attribution", &["kernels", "learn"]),
    ("store", &["tlog"]),
    ("api", &[]),
    ("witness", &["tlog", "store"]),
    ("node", &["tlog", "ledger", "quality", "kernels", "learn", "attribution", "store", "api"]),
    ("web", &["node", "ledger", "api"]),
    ("sim", &["tlog", "ledger", "quality", "kernels", "learn", "attribution", "store", "api", "node"]),
    (
        "cli",
        &[
            "tlog",
            "ledger",
            "quality",
            "kernels",
            "learn",
            "attribution",
            "store",
            "api",
            "node",
            "web",
            "witness",
            "sim",
        ],
    ),
];

/// Crates that do no IO: `clippy.toml` bans it, and `lib.rs` forbids the lints so that no `allow` opens a door.
const PURE: &[&str] = &["tlog", "ledger", "quality", "kernels", "learn", "attribution"];

/// Libraries that do IO, keep time or draw from the machine: not for pure crates.
const IMPURE: &[&str] = &[
    "rusqlite",
    "object_store",
    "tempfile",
    "getrandom",
    "tokio",
    "axum",
    "ureq",
    "indicatif",
    "clap",
    "parquet",
];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Names under `[dependencies]` of a crate's manifest, without the section of tests.
fn dependencies(name: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(crates().join(name).join("Cargo.toml")).unwrap();
    let mut inside = false;
    let mut found = BTreeSet::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[dependencies]";
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            found.insert(line.split(['.', '=', ' ']).next().unwrap().to_owned());
        }
    }
    found
}

#[test]
fn every_crate_has_a_layer() {
    let folders: BTreeSet<String> =
        fs::read_dir(crates()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let listed: BTreeSet<String> = LAYERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(folders, listed);
}

#[test]
fn imports_follow_the_arrows() {
    for (name, allowed) in LAYERS {
        for import in dependencies(name).iter().filter_map(|d| d.strip_prefix("assay-")) {
            assert!(
                allowed.contains(&import),
                "assay-{name} imports assay-{import}: no such arrow in LAYERS"
            );
        }
    }
}

#[test]
fn pure_crates_are_kept_pure() {
    let bans: BTreeMap<&str, String> = PURE
        .iter()
        .map(|n| (*n, fs::read_to_string(crates().join(n).join("clippy.toml")).unwrap()))
        .collect();
    for name in PURE {
        assert_eq!(bans[name], bans["tlog"], "the bans of assay-{name} differ from those of assay-tlog");
        let lib = fs::read_to_string(crates().join(name).join("src/lib.rs")).unwrap();
        let forbidden: String = lib.lines().filter(|line| line.starts_with("#![forbid(")).collect();
        for lint in ["disallowed_methods", "disallowed_types", "disallowed_macros"] {
            assert!(forbidden.contains(lint), "assay-{name}/src/lib.rs does not forbid clippy::{lint}");
        }
        for library in IMPURE {
            assert!(!dependencies(name).contains(*library), "assay-{name} is pure but imports {library}");
        }
    }
}

#[test]
fn floats_stay_out_of_the_ledger() {
    let folders =
        ["ledger/src", "ledger/src/codec"].map(|folder| fs::read_dir(crates().join(folder)).unwrap());
    // The serializer has to name floats to refuse them.
    let refuses = |path: &Path| path.ends_with("codec/canonical.rs");
    for entry in folders.into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() || refuses(&path) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let float = text.lines().find(|l| {
            let code = l.split("//").next().unwrap_or(l);
            code.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "f32" || word == "f64")
        });
        assert!(float.is_none(), "{}: a float in the ledger: {}", path.display(), float.unwrap_or_default());
    }
}
