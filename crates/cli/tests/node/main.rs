//! The commands of a node as a user runs them: the binary, on a home of its own.
#![allow(clippy::unwrap_used)]

mod community;
mod docs;
mod gate;
mod help;
mod keys;
mod log;
mod path;
mod refused;

use std::path::PathBuf;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// A folder with files of the made-up community, and a home named by `ASSAY_HOME`.
struct World {
    folder: TempDir,
}

/// What a run of the binary left.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl World {
    /// Files, and no home yet.
    fn bare() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        community::write(world.folder.path());
        world
    }

    /// A home with the datanet of the community, owned by alice.
    fn founded() -> Self {
        let world = Self::bare();
        world.says("init home --origin example.org/test");
        world.says("datanet create charter.toml --valid valid.jsonl --test test.jsonl --as alice");
        world
    }

    /// The same after everybody has contributed.
    fn contributed() -> Self {
        let world = Self::founded();
        for name in ["alice", "bob", "mallory"] {
            world.says(&format!("contribute {name}.jsonl --as {name} --receipt {name}-receipt.json"));
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::cargo_bin("assay").unwrap();
        let output = command
            .current_dir(self.folder.path())
            .env("ASSAY_HOME", "home")
            .env_remove("COLUMNS")
            .args(arguments)
            .output()
            .unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs to success; what it said.
    fn says(&self, arguments: &str) -> String {
        let ran = self.run(&arguments.split_whitespace().collect::<Vec<_>>());
        assert_eq!(ran.code, 0, "assay {arguments}: {}", ran.stderr);
        ran.stdout
    }

    /// Runs to success with `--json`; the one document on stdout, with nothing on stderr.
    fn document(&self, arguments: &str) -> Value {
        let with = format!("{arguments} --json");
        let ran = self.run(&with.split_whitespace().collect::<Vec<_>>());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "assay {with}");
        serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("assay {with}: {e}\n{}", ran.stdout))
    }

    /// Runs to exit code 2 with nothing on stdout; the error and its hint.
    fn refuses(&self, arguments: &str) -> String {
        self.refuses_all(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    fn refuses_all(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "assay {arguments:?}: {}", ran.stderr);
        let start = ran.stderr.find("error: ").unwrap_or_else(|| panic!("no error in {:?}", ran.stderr));
        ran.stderr[start..].to_owned()
    }
}

/// Base units at a pointer of a document, where they are digits in a string.
fn units(document: &Value, pointer: &str) -> i128 {
    let found = document.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {document:#}"));
    found.as_str().unwrap().parse().unwrap()
}
