//! The password of a Postgres connection: from `PGPASSWORD`, or from the file that `PGPASSFILE` names.
//!
//! The file is that of Postgres (its manual, chapter "The Password File"): lines `host:port:database:user:password`, where
//! `*` stands for anything and a backslash keeps `:` and `\` as they are; the first line that fits counts.

use std::path::{Path, PathBuf};

use postgres::Config;
use postgres::config::Host;

use crate::StoreError;

/// Longest password file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The password for this connection, if the environment has one.
pub(crate) fn password(config: &Config) -> Result<Option<String>, StoreError> {
    if let Ok(password) = std::env::var("PGPASSWORD") {
        return Ok(Some(password));
    }
    let Some(path) = std::env::var_os("PGPASSFILE").map(PathBuf::from) else { return Ok(None) };
    let text = read(&path)?;
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        _ => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let user = config.get_user().unwrap_or_default();
    Ok(find(&text, [&host, &port, config.get_dbname().unwrap_or(user), user]))
}

fn read(path: &Path) -> Result<String, StoreError> {
    let metadata = std::fs::metadata(path).map_err(StoreError::io("read the password file", path))?;
    StoreError::within("the size of the password file in bytes", metadata.len(), FILE_BYTES_MAX)?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 {
        let place = path.display();
        return Err(StoreError::Invalid(format!("others can read {place}; chmod 600 {place}")));
    }
    std::fs::read_to_string(path).map_err(StoreError::io("read the password file", path))
}

/// The password of the first line whose first four fields fit.
fn find(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = split(line);
        let fits = |(field, wanted): (&String, &&str)| field == "*" || field == wanted;
        (fields.len() == 5 && fields.iter().zip(&wanted).all(fits)).then(|| fields[4].clone())
    })
}

/// Five fields at most; the backslashes are taken out.
fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let kept = match letter {
            ':' => {
                fields.push(String::new());
                continue;
            }
            '\\' => letters.next().unwrap_or('\\'),
            other => other,
        };
        if let Some(field) = fields.last_mut() {
            field.push(kept);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn the_first_line_that_fits_counts() {
        let text =
            "# a comment\nother:5432:books:ann:no\nhere:*:books:ann:a\\:b\\\\c\n*:*:*:*:any\nshort:line\n";
        assert_eq!(find(text, ["here", "5432", "books", "ann"]).as_deref(), Some("a:b\\c"));
        assert_eq!(find(text, ["here", "5432", "books", "bob"]).as_deref(), Some("any"));
        assert_eq!(find("", ["here", "5432", "books", "ann"]), None);
    }
}
