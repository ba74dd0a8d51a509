//! Where the passphrase of the keys comes from: the environment, a file, or somebody at the terminal.

use std::path::{Path, PathBuf};
use std::{env, fs};

use assay_node::{Home, Passphrase};

use crate::output::{Failure, warn_if_exposed};

/// Holds the passphrase itself.
const TEXT: &str = "ASSAY_PASSPHRASE";
/// Names a file of it.
const FILE: &str = "ASSAY_PASSPHRASE_FILE";

/// The passphrase that the environment gives, if it gives one.
pub(super) fn given() -> Result<Option<Passphrase>, Failure> {
    if let Some(text) = env::var_os(TEXT) {
        let text = text.into_string().map_err(|_| Failure::refused(format!("{TEXT} is not UTF-8")))?;
        return Ok(Some(Passphrase::new(text)?));
    }
    let Some(path) = env::var_os(FILE).map(PathBuf::from) else { return Ok(None) };
    warn_if_exposed(&path);
    let text = fs::read_to_string(&path).map_err(|e| Failure::refused(format!("{}: {e}", path.display())))?;
    Ok(Some(Passphrase::new(text)?))
}

/// What opens the keys in `dir`: as given, or asked for where a key is sealed.
pub(super) fn of(dir: &Path) -> Result<Option<Passphrase>, Failure> {
    match given()? {
        None if Home::is_sealed(dir) => {
            ask(&format!("Passphrase of the keys in {}: ", dir.display())).map(Some)
        }
        given => Ok(given),
    }
}

/// A new passphrase: as given, or asked for twice.
pub(super) fn new() -> Result<Passphrase, Failure> {
    if let Some(given) = given()? {
        return Ok(given);
    }
    let first = ask("New passphrase: ")?;
    match first.is(&ask("The same again: ")?) {
        true => Ok(first),
        false => Err(Failure::refused("the two are not the same")),
    }
}

fn ask(prompt: &str) -> Result<Passphrase, Failure> {
    let typed = rpassword::prompt_password(prompt).map_err(|e| {
        Failure::refused(format!(
            "the keys are sealed under a passphrase, and nobody can be asked for it: {e}"
        ))
        .hint(format!("set {FILE} to a file with it, or {TEXT}"))
    })?;
    Ok(Passphrase::new(typed)?)
}
