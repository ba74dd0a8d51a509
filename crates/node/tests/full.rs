//! A disk that is full, and one that cannot be written: what is asked is refused, what was promised stays, and with
//! room again the node goes on by itself.
//!
//! The parent runs itself as a child with a limit on the size of files (writing beyond it fails, as on a full disk), or
//! with the home mounted for reading only.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod small;

use std::path::Path;
use std::process::{Command as Process, Output};

use assay_node::verify;

const CHILD: &str = "ASSAY_FULL_CHILD";
/// Limits in the unit of the shell, from nothing at all to more than any file takes.
const LIMITS: [u32; 11] = [0, 1, 8, 64, 128, 192, 256, 512, 1_024, 2_048, 100_000];

/// Contributes, has it gated and takes a payment; says how far it came, and why no further.
fn work(home: &Path, run: u64) {
    let mut done = 0;
    let outcome = small::open(home).and_then(|mut node| {
        let operator = node.operator().clone();
        let net = "small".parse().unwrap();
        node.contribute(&operator, &net, &small::records(run, 1, 40))?;
        done = 1;
        node.gate(&net)?;
        done = 2;
        let command = small::deposit(&node, &format!("run-{run}"), 1);
        node.act(&operator, command)?;
        done = 3;
        Ok(())
    });
    println!("done {done}, {outcome:?}");
}

fn child(prepare: &str, home: &Path, run: u64) -> Output {
    let script =
        format!("{prepare} && exec \"$0\" --exact a_full_disk_refuses_and_loses_nothing --nocapture");
    Process::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, format!("{run}|{}", home.display()))
        .output()
        .unwrap()
}

/// How far the child came; it must have ended in order.
fn told(output: &Output) -> (u64, String) {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !errors.contains("panicked"), "{said}{errors}");
    let line = said.lines().find_map(|line| line.split_once("done ")).unwrap_or_else(|| panic!("{said}")).1;
    (line[..1].parse().unwrap(), line.to_owned())
}

/// The home opens, is what a stranger can verify, and grew by what was acknowledged.
fn check(home: &Path, before: u64, done: u64) -> u64 {
    let node = small::open(home).unwrap();
    let size = node.state().size();
    assert!(size >= before + done, "{done} steps were acknowledged, {before} entries became {size}");
    let verified = verify(&home.join("public"), Some(node.log_key()), &|_, _| {}).unwrap();
    assert_eq!((verified.size, verified.state), (size, node.state().digest().unwrap().to_string()));
    size
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    if let Ok(task) = std::env::var(CHILD) {
        let (run, home) = task.split_once('|').unwrap();
        return work(Path::new(home), run.parse().unwrap());
    }
    let dir = tempfile::tempdir().unwrap();
    let (home, _) = small::world(dir.path(), 21);
    let mut size = check(&home, 0, 0);
    let mut reached = [0; 4];
    for (limit, run) in LIMITS.into_iter().zip(0_u64..) {
        // Without the trap the system would end the process instead of refusing the write.
        let output = child(&format!("trap '' XFSZ; ulimit -f {limit}"), &home, run);
        let (done, line) = told(&output);
        reached[done as usize] += 1;
        assert!(done == 3 || line.contains("Unavailable"), "{line}");
        assert!(done == 3 || line.contains("stop this process") || line.contains("has room"), "{line}");
        size = check(&home, size, done);
    }
    println!("runs by the steps that they came to: {reached:?}");
    assert!(reached[0] > 0 && reached[3] > 0, "{reached:?}");
}

#[test]
fn a_disk_for_reading_only_refuses_and_loses_nothing() {
    let mount = "mount --bind \"$ASSAY_FULL_HOME\" \"$ASSAY_FULL_HOME\" && mount -o remount,ro,bind \"$ASSAY_FULL_HOME\"";
    let dir = tempfile::tempdir().unwrap();
    let (home, _) = small::world(dir.path(), 22);
    let may = Process::new("unshare").args(["-m", "sh", "-c", mount]).env("ASSAY_FULL_HOME", &home).output();
    if !may.is_ok_and(|output| output.status.success()) {
        return println!("skipped: this user may not mount (unshare -m)");
    }
    let size = check(&home, 0, 0);
    let output = Process::new("unshare")
        .args(["-m", "sh", "-c"])
        .arg(format!("{mount} && exec \"$0\" --exact a_full_disk_refuses_and_loses_nothing --nocapture"))
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, format!("1|{}", home.display()))
        .env("ASSAY_FULL_HOME", &home)
        .output()
        .unwrap();
    let (done, line) = told(&output);
    assert!(done == 0 && line.contains("Unavailable"), "{line}");
    assert_eq!(check(&home, size, 0), size);
}
