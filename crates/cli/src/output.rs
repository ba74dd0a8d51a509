//! What leaves the program: results on stdout, failures with a hint on stderr, and the exit code.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use assay_node::records::RecordError;
use assay_node::{Kind, NodeError};
use assay_store::files::open_to_others;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    what: String,
    hint: Option<String>,
}

impl Failure {
    /// The input or the request cannot be used: exit code 2.
    pub(crate) fn refused(what: impl fmt::Display) -> Self {
        Self { code: 2, what: what.to_string(), hint: None }
    }

    /// The machine did not do its part (disk, permissions), or we did not: exit code 1.
    pub(crate) fn failed(what: impl fmt::Display) -> Self {
        Self { code: 1, what: what.to_string(), hint: None }
    }

    /// With what to do.
    pub(crate) fn hint(self, hint: impl fmt::Display) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        Self::refused(&error).hint(error.hint())
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        let code = match error.kind {
            Kind::Refused | Kind::Invalid | Kind::NotFound => 2,
            Kind::Unavailable | Kind::Bug => 1,
        };
        Self { code, what: error.what, hint: error.hint }
    }
}

/// Prints to stdout; a reader that went away (`assay ... | head`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// Says on stderr that the file of a key lets others read it, if it does, and what to do.
pub(crate) fn warn_if_exposed(file: &Path) {
    if !open_to_others(file) {
        return;
    }
    let file = file.display();
    eprintln!("warning: {file} is a key and open to other users\n  hint: chmod 600 {file}");
}

/// Reports the outcome of a command.
pub(crate) fn finish(outcome: Result<(), Failure>) -> ExitCode {
    let Err(failure) = outcome else { return ExitCode::SUCCESS };
    eprintln!("error: {}", failure.what);
    if let Some(hint) = failure.hint {
        eprintln!("  hint: {hint}");
    }
    ExitCode::from(failure.code)
}
