//! Python's standard library reads what we publish: `tests/interop/check_log.py` on `docs/verify.py`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_macros)]

mod published;

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs, io};

use assay_tlog::{CosignerSecret, SignerKey};
use published::put;

const ORIGIN: &str = "example.com/datanet";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/interop/check_log.py");

fn check(folder: &Path, key: &SignerKey) -> io::Result<Output> {
    let verifier = key.verifier().to_string();
    Command::new("python3").arg(SCRIPT).arg(folder).arg(verifier).output()
}

#[test]
fn python_reads_our_logs_and_finds_what_was_changed() {
    let key = SignerKey::from_seed(ORIGIN, &[9; 32]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for size in [1, 256, 257, 1_000] {
        let log = folder.path().join(size.to_string());
        published::publish(&log, size, ORIGIN, &key, &[]);
        let output = match check(&log, &key) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return println!("skipped: no python3 here");
            }
            output => output.unwrap(),
        };
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.starts_with(&format!("OK {size} entries")), "{said}");
    }

    let log = folder.path().join("changed");
    let names = published::publish(&log, 300, ORIGIN, &key, &[]);
    for name in names.iter() {
        let bytes = fs::read(log.join(name)).unwrap();
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        put(&log, name, &changed);
        assert!(!check(&log, &key).unwrap().status.success(), "a change of {name} went unnoticed");
        put(&log, name, &bytes);
    }
    // With witnesses: the quorum of a policy file is asked for.
    let cosigners = [3, 4].map(|i| CosignerSecret::from_seed(&format!("w.example/{i}"), &[i; 32]).unwrap());
    let mut policy = format!("log {}\n", key.verifier());
    for (name, cosigner) in ["a", "b"].iter().zip(&cosigners) {
        policy += &format!("witness {name} {}\n", cosigner.verifier());
    }
    put(folder.path(), "policy", format!("{policy}group both all a b\nquorum both\n").as_bytes());
    let trust = folder.path().join("policy").display().to_string();
    for (signers, holds) in [(&cosigners[..], true), (&cosigners[..1], false)] {
        let log = folder.path().join(format!("cosigned-{holds}"));
        published::publish(&log, 5, ORIGIN, &key, signers);
        let output = Command::new("python3").arg(SCRIPT).arg(&log).arg(&trust).output().unwrap();
        assert_eq!(output.status.success(), holds, "{}", String::from_utf8_lossy(&output.stderr));
    }
    let stranger = SignerKey::from_seed(ORIGIN, &[8; 32]).unwrap();
    assert!(!check(&log, &stranger).unwrap().status.success());
    assert!(check(&log, &key).unwrap().status.success());
}
