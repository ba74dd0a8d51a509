//! Keys on disk, as those see them who run a node or a witness.
#![cfg(unix)]

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;

use assert_cmd::Command;

use crate::World;

#[test]
fn a_key_that_others_can_read_is_named_once() {
    let world = World::bare();
    world.says("init home --origin example.org/test");
    world.says("key new alice");
    world.says("witness init --home w --name w.example/1");
    for (key, command) in [("home/keys/alice.key", "key list"), ("w/witness.key", "witness show --home w")] {
        let run = || world.run(&command.split_whitespace().collect::<Vec<_>>());
        assert_eq!(run().stderr, "", "{command}");
        set_permissions(world.path(key), Permissions::from_mode(0o644)).unwrap();
        let warned = run();
        assert_eq!(warned.code, 0);
        assert_eq!(
            warned.stderr.matches(&format!("hint: chmod 600 {key}\n")).count(),
            1,
            "{}",
            warned.stderr
        );
        set_permissions(world.path(key), Permissions::from_mode(0o600)).unwrap();
        assert_eq!(run().stderr, "", "{command}");
    }
}

#[test]
fn a_key_is_replaced_and_an_account_is_taken_back() {
    let world = World::bare();
    world.says("init home --origin example.org/test");
    world.says("key new alice");
    let account = world.document("deposit alice 5 --reference a")["account"].clone();
    let listed = |world: &World| {
        let keys = world.document("key list")["keys"].clone();
        keys.as_array().unwrap().iter().find(|key| key["name"] == "alice").unwrap().clone()
    };
    let first = listed(&world);
    assert_eq!((&first["account"], &first["recovery"]), (&account, &serde_json::Value::Null));

    let stolen = std::fs::read(world.path("home/keys/alice.key")).unwrap();
    assert!(world.says("key recovery alice alice.recovery").contains("keep that file elsewhere"));
    let mode = std::fs::metadata(world.path("alice.recovery")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(world.refuses("key recovery alice other.recovery").contains("has a recovery key already"));
    assert!(!world.path("other.recovery").exists());

    let rotated = world.document("key rotate alice");
    assert_eq!((&rotated["account"], listed(&world)["key"] == first["key"]), (&account, false));
    world.says("withdraw 1 --as alice --reference out-1");
    // Whoever has the first key still has a file of it, and nothing else.
    let present = std::fs::read(world.path("home/keys/alice.key")).unwrap();
    std::fs::write(world.path("home/keys/alice.key"), &stolen).unwrap();
    assert!(world.says("key list").contains("signs no more"));
    assert!(
        world
            .refuses("withdraw 1 --as alice --reference out-2")
            .contains("with the key that the account has now")
    );
    std::fs::write(world.path("home/keys/alice.key"), &present).unwrap();

    world.says("key recovery alice next.recovery --with alice.recovery");
    assert!(world.refuses("key recover alice alice.recovery").contains("not the recovery key that"));
    assert!(world.refuses("key recover bob next.recovery").contains("is called alice here"));
    assert_eq!(world.document("key recover alice next.recovery")["account"], account);
    assert_eq!(world.document("withdraw 1 --as alice --reference out-3")["account"], account);
    assert!(world.refuses("key rotate log").contains("signs checkpoints"));
    // A key without an account has nothing to replace, and leaves nothing behind.
    world.says("key new carol");
    assert!(world.refuses("key rotate carol").contains("has no account in this log yet"));
    let left = std::fs::read_dir(world.path("home/keys")).unwrap().flatten();
    assert!(left.into_iter().all(|file| !file.file_name().to_string_lossy().ends_with(".new")));
    world.says("verify home");
}

/// Runs with the passphrase in a file that the environment names; the exit code and what was said.
fn under(world: &World, file: &str, arguments: &str) -> (Option<i32>, String) {
    let output = Command::cargo_bin("assay")
        .unwrap()
        .current_dir(world.path("."))
        .env("ASSAY_HOME", "home")
        .env("ASSAY_PASSPHRASE_FILE", file)
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.code(), said)
}

#[test]
fn keys_under_a_passphrase_act_with_it_and_not_without() {
    let world = World::bare();
    for (file, text) in [("one", "correct horse\n"), ("two", "battery staple\n")] {
        std::fs::write(world.path(file), text).unwrap();
        std::fs::set_permissions(world.path(file), Permissions::from_mode(0o600)).unwrap();
    }
    world.says("init home --origin example.org/test");
    world.says("key new alice");
    world.says("deposit alice 5 --reference a");
    assert_eq!(under(&world, "one", "key encrypt"), (Some(0), "3 keys sealed.\n".to_owned()));
    let texts = || {
        ["alice", "log", "operator"]
            .map(|name| std::fs::read_to_string(world.path(&format!("home/keys/{name}.key"))).unwrap())
    };
    assert!(texts().iter().all(|text| text.starts_with("assay-key/1 argon2id 65536 3 4 ")));
    // No terminal, no passphrase: nothing is done.
    assert!(world.refuses("balance").contains("sealed under a passphrase"));
    let (code, said) = under(&world, "two", "balance");
    assert!(code == Some(2) && said.contains("sealed under another passphrase"), "{said}");
    assert!(said.contains("`assay key decrypt` first") && !said.contains("key new"), "{said}");
    assert_eq!(under(&world, "two", "key encrypt").0, Some(2));
    // Whose keys they are is no secret: that takes none.
    let listed = world.says("key list");
    assert!(["alice", "operator", "acts for this node"].iter().all(|word| listed.contains(word)), "{listed}");
    assert_eq!(listed, under(&world, "one", "key list").1);
    for command in [
        "withdraw 1 --as alice --reference out-1",
        "key new bob",
        "key rotate operator",
        "key rotate alice",
        "withdraw 1 --as alice --reference out-2",
        "backup copy",
        "restore copy again",
    ] {
        let (code, said) = under(&world, "one", command);
        assert_eq!(code, Some(0), "{command}: {said}");
        assert!(!said.contains("horse"));
    }
    assert!(texts().iter().all(|text| text.starts_with("assay-key/1 ")));
    // Strangers need none of it.
    world.says("verify home");
    assert_eq!(under(&world, "one", "key encrypt").1, "4 keys sealed.\n", "again, as after a kill");
    assert_eq!(under(&world, "one", "key decrypt").0, Some(0));
    world.says("withdraw 1 --as alice --reference out-3");
    assert!(texts().iter().all(|text| text.trim().len() == 64));

    // A passphrase that others can read is named; a home can begin under one.
    std::fs::set_permissions(world.path("one"), Permissions::from_mode(0o644)).unwrap();
    let (code, said) = under(&world, "one", "init other");
    assert!(code == Some(0) && said.contains("chmod 600 one"), "{said}");
    assert!(std::fs::read_to_string(world.path("other/keys/log.key")).unwrap().starts_with("assay-key/1 "));
}
