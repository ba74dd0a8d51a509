//! Copies, two views of a log, receipts with expectations, and a witness, as a user runs them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::World;

/// A process that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn copies_and_views() {
    let world = World::founded();
    let copied = world.document("publish copy");
    assert_eq!(copied["from"], 0);
    world.says("deposit alice 1 --reference a");
    let again = world.document("publish copy");
    assert_eq!(again["from"], copied["size"]);
    world.says("verify copy --key home/public/log.vkey");
    assert!(world.says("log compare copy home/public").contains("shows the same as"));
    world.says("deposit alice 1 --reference b");
    let compared = world.document("log compare copy home/public");
    assert_eq!(compared["consistent"], true);

    // The same home, copied and gone on with otherwise: two histories under one key.
    assert!(
        Command::new("cp")
            .args(["-r", "home", "twin"])
            .current_dir(world.path(""))
            .status()
            .unwrap()
            .success()
    );
    world.says("deposit alice 1 --reference c");
    world.says("deposit alice 2 --reference d --home twin");
    let split = world.run(&["log", "compare", "home/public", "twin/public", "--json"]);
    assert_eq!(split.code, 2);
    assert!(split.stderr.contains("a split view"), "{}", split.stderr);
    let evidence: Value = serde_json::from_str(&split.stdout).unwrap();
    assert_eq!(evidence["consistent"], false);
    for side in ["old", "new"] {
        assert!(evidence[side]["checkpoint"].as_str().unwrap().starts_with("example.org/test\n"));
    }
    assert!(world.refuses("publish copy --from twin/public --key alice.jsonl").contains("--key"));
    world.says("publish copy");
    assert!(world.refuses("publish copy --from twin/public").contains("another history"));
}

#[test]
fn receipts_are_of_what_was_expected() {
    let world = World::founded();
    let sent = world.document("contribute bob.jsonl --as bob --receipt r.json");
    let entry = sent["contributions"][0]["entry"].as_u64().unwrap();
    world.says("receipt verify r.json --kind contribution --net topics");
    assert!(world.refuses("receipt verify r.json --kind payout").contains("of something else"));
    assert!(world.refuses("receipt verify r.json --net elsewhere").contains("another datanet"));
    let made = world.document(&format!("receipt make {} --out v.json", entry + 1));
    assert_eq!(made["about"]["kind"], "verdict");
    world.says("receipt verify v.json --kind verdict");
    assert!(world.refuses(&format!("receipt make {} --out v.json", entry + 1)).contains("exists already"));
}

#[test]
fn a_node_waits_for_its_witness() {
    let world = World::founded();
    let made = world.document("witness init --home w1 --name witness.example/w1");
    world.says("witness add-log --home w1 home/public/log.vkey");
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("assay"));
    command.args(["witness", "--home", "w1", "--listen", "127.0.0.1:0", "--json"]);
    let mut child = Running(command.current_dir(world.path("")).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let listening: Value = serde_json::from_str(&line).unwrap();
    let (key, url) = (made["key"].as_str().unwrap(), listening["listening"].as_str().unwrap());
    fs::write(world.path("home/policy"), format!("witness w1 {key} {url}\nquorum w1\n")).unwrap();
    let config = fs::read_to_string(world.path("home/assay.toml")).unwrap();
    fs::write(world.path("home/assay.toml"), config + "\n[witness]\npolicy = \"policy\"\n").unwrap();

    world.says("deposit alice 1 --reference a");
    let verified = world.document("verify home --policy home/policy --key home/public/log.vkey");
    assert_eq!(verified["witnesses"][0][0], "witness.example/w1");
    assert!(world.refuses("verify home --policy home/policy").contains("names no log"));
    world.says("contribute bob.jsonl --as bob --receipt r.json");
    let held = world.says("receipt verify r.json --policy home/policy --key home/public/log.vkey");
    assert!(held.contains("witness  witness.example/w1"), "{held}");

    // Killed, not stopped: what it stored is there when it is opened again.
    drop(child);
    let before = fs::read(world.path("home/public/checkpoint")).unwrap();
    let ran = world.run(&["deposit", "alice", "1", "--reference", "b"]);
    assert_eq!((ran.code, ran.stderr.contains("durable, and not published")), (1, true), "{}", ran.stderr);
    assert_eq!(fs::read(world.path("home/public/checkpoint")).unwrap(), before);
    world.says("log --count 1");
    let shown = world.document("witness show --home w1");
    assert!(shown["logs"][0]["size"].as_u64().unwrap() > 3);
}
