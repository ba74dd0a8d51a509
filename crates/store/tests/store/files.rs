use std::fs;

use assay_store::files::{create_folder, write_atomic, write_once};
use assay_store::{PublicFolder, StoreError};

#[test]
fn a_file_is_replaced_whole_and_no_temporary_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/checkpoint");
    write_atomic(&path, b"one").unwrap();
    write_atomic(&path, b"two, longer").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two, longer");
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_final_file_never_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tile/0/000");
    assert!(write_once(&path, b"hashes").unwrap());
    assert!(!write_once(&path, b"hashes").unwrap());
    for other in [b"hasheS".as_slice(), b"hash", b"", b"hashes and more"] {
        let error = write_once(&path, other).unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    }
    assert!(write_once(&path, b"hashy").unwrap_err().to_string().contains("at byte 4"));
    assert_eq!(fs::read(&path).unwrap(), b"hashes");
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary stays");
}

#[test]
fn a_torn_temporary_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".tmp-abc"), b"half a ti").unwrap();
    let public = PublicFolder::open(folder.path()).unwrap();
    assert!(public.write_once("tile", b"a tile").unwrap());
    assert_eq!(public.read("tile", 100).unwrap().unwrap(), b"a tile");
    assert!(public.read(".tmp-abc", 100).is_err());
}

#[cfg(unix)]
#[test]
fn public_files_can_be_read_by_a_web_server() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page");
    write_atomic(&path, b"x").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o444, 0o444);
}

#[test]
fn paths_cannot_leave_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let public = PublicFolder::open(folder.path().join("public")).unwrap();
    let long = "a".repeat(513);
    for path in [
        "",
        "/etc/passwd",
        "../x",
        "a/../x",
        "a//b",
        "a/",
        ".",
        "a/.",
        "..",
        "a\\b",
        "a\0b",
        "C:x",
        "~",
        "é",
        &long,
    ] {
        assert!(matches!(public.path(path), Err(StoreError::Invalid(_))), "{path:?}");
        assert!(public.write_atomic(path, b"x").is_err());
    }
    for path in ["checkpoint", "tile/0/x001/067.p/8", "tables/ab.parquet", "a..b"] {
        assert!(public.path(path).unwrap().starts_with(public.root()), "{path:?}");
    }
}

#[test]
fn reading_is_bounded_and_absence_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let public = PublicFolder::open(folder.path()).unwrap();
    public.write_atomic("a/b", &[1; 100]).unwrap();
    assert_eq!(public.read("a/c", 100).unwrap(), None);
    assert_eq!(public.read("a/b", 100).unwrap().unwrap().len(), 100);
    assert!(matches!(public.read("a/b", 99), Err(StoreError::Limit { found: 100, max: 99, .. })));
}

#[test]
fn a_file_where_a_folder_should_be_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"x").unwrap();
    assert!(matches!(create_folder(&file.join("below")), Err(StoreError::Io { .. })));
    assert!(matches!(write_atomic(&file.join("below"), b"y"), Err(StoreError::Io { .. })));
}
