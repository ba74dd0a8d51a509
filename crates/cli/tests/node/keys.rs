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
