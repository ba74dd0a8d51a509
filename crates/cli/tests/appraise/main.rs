//! `assay appraise` as a user runs it: the binary, on files.
#![allow(clippy::unwrap_used)]

mod audit;
mod bad_input;
mod community;
mod methods;
mod output;
mod worth;

use std::path::{Path, PathBuf};

use assay_api::Document;
use assay_api::v1::appraisal::Appraisal;
use assert_cmd::Command;
use tempfile::TempDir;

/// A folder of files and the binary run in it.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        std::fs::write(self.path(name), content).unwrap();
        self
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::cargo_bin("assay").unwrap();
        command.current_dir(self.folder.path()).args(arguments.split_whitespace());
        command
    }

    /// Runs to success; the document and what was printed.
    fn appraise(&self, arguments: &str) -> (Appraisal, String) {
        let output = self.command(&format!("appraise {arguments} --out out")).output().unwrap();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{stderr}");
        let json = std::fs::read_to_string(self.path("out/appraisal.json")).unwrap();
        (Appraisal::from_json(&json).unwrap(), stdout)
    }

    /// Runs to a refusal with exit code 2 that writes nothing; what it said.
    fn refused(&self, arguments: &str) -> String {
        let output = self.command(&format!("appraise {arguments} --out out")).output().unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(output.stdout.is_empty());
        assert!(!self.path("out").exists(), "something was written");
        let hidden =
            std::fs::read_dir(self.folder.path()).unwrap().filter(|e| is_hidden(&e.as_ref().unwrap().path()));
        assert_eq!(hidden.count(), 0, "something was left behind");
        let start = stderr.find("error: ").unwrap_or_else(|| panic!("no error in {stderr:?}"));
        stderr[start..].to_owned()
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().unwrap().to_string_lossy().starts_with('.')
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
