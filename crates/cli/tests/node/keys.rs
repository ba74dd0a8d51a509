//! Keys on disk, as those see them who run a node or a witness.
#![cfg(unix)]

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;

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
    assert!(world.refuses("key recover alice alice.recovery").contains("signature"));
    assert!(world.refuses("key recover bob next.recovery").contains("is called alice here"));
    assert_eq!(world.document("key recover alice next.recovery")["account"], account);
    assert_eq!(world.document("withdraw 1 --as alice --reference out-3")["account"], account);
    assert!(world.refuses("key rotate log").contains("signs checkpoints"));
    world.says("verify home");
}
