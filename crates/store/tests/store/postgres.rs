//! What several writers of one log, a lost connection and a password do.

use std::process::Command;

use assay_store::{AppendError, EventReader, EventStore, NewEntry, StoreError, Vault};

use crate::cluster::cluster;
use crate::events::bare;
use crate::ground::Ground;

const SECRET: &str = "hunter2-very-secret";
const CHILD: &str = "ASSAY_STORE_PASSWORD_CHILD";

#[test]
fn of_two_writers_one_appends_and_the_other_is_told() {
    let Some(ground) = Ground::postgres() else { return };
    let (mut first, mut second) = (ground.events(), ground.events());
    first.append(0, &bare(2)).unwrap();
    let error = second.append(0, &bare(1)).unwrap_err();
    assert!(matches!(error, AppendError::Conflict { expected: 0, actual: 2 }), "{error}");
    second.append(2, &bare(1)).unwrap();
    first.set_checkpoint(None, 2, b"two").unwrap();
    assert!(matches!(second.set_checkpoint(None, 3, b"three"), Err(StoreError::Conflict { .. })));
    second.set_checkpoint(Some(2), 3, b"three").unwrap();
    assert_eq!(first.reader().check().unwrap(), 3);
}

/// Threads append batches of numbered entries to one log as quickly as they can, each again after a conflict.
#[test]
fn writers_side_by_side_leave_no_hole_and_no_repetition() {
    const WRITERS: u8 = 4;
    const BATCHES: u8 = 25;
    let Some(ground) = Ground::postgres() else { return };
    let write = |writer: u8| {
        let mut store = ground.events();
        let mut conflicts = 0_u32;
        for batch in 0..BATCHES {
            let entries: Vec<NewEntry> = (0..3)
                .map(|at| NewEntry {
                    bytes: vec![writer, batch, at],
                    keys: vec![[[writer, batch, at]; 6].concat()],
                })
                .collect();
            let mut size = store.reader().size().unwrap();
            loop {
                match store.append(size, &entries) {
                    Ok(_) => break,
                    Err(AppendError::Conflict { actual, .. }) => (size, conflicts) = (actual, conflicts + 1),
                    Err(other) => panic!("{other}"),
                }
            }
        }
        conflicts
    };
    let conflicts: u32 = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    println!("{conflicts} conflicts");
    let reader = ground.reader();
    assert_eq!(reader.check().unwrap(), u64::from(WRITERS) * u64::from(BATCHES) * 3);
    let mut next = [0_u8; WRITERS as usize];
    let found: Vec<Vec<u8>> = reader.scan(0).map(|entry| entry.unwrap().1).collect();
    for batch in found.chunks(3) {
        let writer = batch[0][0];
        let expected: Vec<Vec<u8>> = (0..3).map(|at| vec![writer, next[usize::from(writer)], at]).collect();
        assert_eq!(batch, expected, "a batch is whole and in its order");
        next[usize::from(writer)] += 1;
    }
}

#[test]
fn a_lost_connection_poisons_and_opening_again_reads_the_truth() {
    let Some(ground) = Ground::postgres() else { return };
    let mut store = ground.events();
    store.append(0, &bare(2)).unwrap();
    // Only connections to this test's own log: those that wait for a lock that this statement takes.
    let cluster = cluster().unwrap();
    cluster.sql_at(
        ground.address(),
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN new; END';
         CREATE TRIGGER cut BEFORE INSERT ON assay_entry FOR EACH ROW WHEN (new.seq = 3) EXECUTE FUNCTION cut()",
    );
    let error = store.append(2, &bare(3)).unwrap_err();
    assert!(matches!(error, AppendError::Store(StoreError::Poisoned { .. })), "{error}");
    assert!(matches!(store.append(2, &bare(1)), Err(AppendError::Store(StoreError::Poisoned { .. }))));
    cluster.sql_at(ground.address(), "DROP TRIGGER cut ON assay_entry");
    let mut store = ground.events();
    assert_eq!(store.append(2, &bare(3)).unwrap(), 5);
}

#[test]
fn what_is_not_there_is_named_and_addresses_are_checked() {
    let Some(ground) = Ground::postgres() else { return };
    assert!(matches!(EventReader::open_at(ground.address()), Err(StoreError::NotFound(_))));
    ground.events();
    cluster().unwrap().sql_at(ground.address(), "UPDATE assay_store SET version = 9");
    let other = EventStore::open_at(ground.address()).err().unwrap();
    assert!(other.to_string().contains("format version 9"), "{other}");
    for wrong in [
        format!("postgres://assay:{SECRET}@127.0.0.1/x"),
        format!("postgres://assay:{SECRET}@127.0.0.1:port/x"),
        format!("mysql://assay:{SECRET}@127.0.0.1/x"),
        format!("postgres://127.0.0.1:1/x?password={SECRET}"),
        format!("postgres://127.0.0.1:1/x?{SECRET}={SECRET}"),
    ] {
        let error = EventStore::open_at(&wrong).err().unwrap();
        assert!(matches!(error, StoreError::Invalid(_)), "{error}");
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
    }
}

/// The password comes from the environment or from the file that it names, and is in no message.
#[test]
fn passwords_come_from_outside_and_are_never_told() {
    if let Ok(address) = std::env::var(CHILD) {
        let opened = [EventStore::open_at(&address).map(drop), Vault::open_at(&address).map(drop)];
        return println!("{opened:?}");
    }
    let Some(ground) = Ground::postgres() else { return };
    let cluster = cluster().unwrap();
    let role = "guarded";
    cluster.sql_at(
        ground.address(),
        &format!(
            "CREATE ROLE {role} LOGIN PASSWORD '{SECRET}'; GRANT ALL ON SCHEMA {} TO {role}",
            ground.schema()
        ),
    );
    let address = ground.address().replace("assay@", &format!("{role}@"));
    let file = ground.folder().join("passwords");
    let port = cluster.port();
    let run = |file_text: &str, mode: u32, variable: Option<&str>| {
        std::fs::write(&file, file_text).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["postgres::passwords_come_from_outside_and_are_never_told", "--exact", "--nocapture"]);
        child.env(CHILD, &address).env("PGPASSFILE", &file).env_remove("PGPASSWORD");
        child.envs(variable.map(|password| ("PGPASSWORD", password)));
        let output = child.output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!said.contains(SECRET), "{said}");
        said
    };
    let both = "[Ok(()), Ok(())]";
    assert!(!run("", 0o600, None).contains("Ok"));
    assert!(!run("", 0o600, Some("wrong")).contains("Ok"));
    assert!(run("", 0o600, Some(SECRET)).contains(both));
    let line = format!("127.0.0.1:{port}:*:{role}:{SECRET}\n");
    assert!(run(&line, 0o600, None).contains(both));
    assert!(run(&line, 0o644, None).contains("chmod 600"));
    assert!(!run(&line.replace(SECRET, "wrong"), 0o600, None).contains("Ok"));
}
