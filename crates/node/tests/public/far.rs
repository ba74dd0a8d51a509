//! Public files on a web server: verified as they come, gone on with, and never believed when they change.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use assay_node::{CHECKPOINT, Kind, Verified, compare, key_at, verify, verify_at};

use crate::copies::grow;
use crate::small;
use crate::witnesses::copy_folder;

/// A file server on loopback that knows nothing of logs, and what was asked of it.
struct Server {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    folder: Mutex<PathBuf>,
    asked: Mutex<Vec<String>>,
    /// The line breaks for good when this file is asked for.
    breaks: Mutex<(Option<&'static str>, bool)>,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/log/", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            folder: Mutex::new(folder.to_path_buf()),
            asked: Mutex::default(),
            breaks: Mutex::default(),
        });
        let of = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let of = Arc::clone(&of);
                std::thread::spawn(move || drop(of.serve(client)));
            }
        });
        Self { url, shared }
    }

    fn serves(&self, folder: &Path) {
        *self.shared.folder.lock().unwrap() = folder.to_path_buf();
    }

    fn breaks_at(&self, file: Option<&'static str>) {
        *self.shared.breaks.lock().unwrap() = (file, false);
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.asked.lock().unwrap())
    }
}

impl Shared {
    /// One request a connection; every seventh connection is dropped, as lines are.
    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut request = Vec::new();
        let mut part = [0; 1_024];
        while !request.ends_with(b"\r\n\r\n") {
            match client.read(&mut part)? {
                0 => return Ok(()),
                read => request.extend_from_slice(&part[..read]),
            }
        }
        let path = String::from_utf8_lossy(&request).split(' ').nth(1).unwrap().to_owned();
        let count = {
            let (at, broken) = &mut *self.breaks.lock().unwrap();
            *broken |= at.is_some_and(|file| path.ends_with(file));
            if *broken {
                return Ok(());
            }
            let mut asked = self.asked.lock().unwrap();
            asked.push(path.clone());
            asked.len()
        };
        if count % 7 == 6 {
            return Ok(());
        }
        let file = self.folder.lock().unwrap().join(path.strip_prefix("/log/").unwrap());
        let (status, body) = match fs::read(file) {
            Ok(body) => ("200 OK", body),
            Err(_) => ("404 Not Found", Vec::new()),
        };
        write!(client, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
        client.write_all(&body)
    }
}

/// All that was found but for how many files that took: who went on looks at more partial tiles than who began late.
fn without_files(verified: &Verified) -> serde_json::Value {
    let mut value = serde_json::to_value(verified).unwrap();
    value["checks"].as_array_mut().unwrap().retain(|check| {
        let what = check["what"].as_str().unwrap();
        !what.starts_with("file") && !what.starts_with("tile")
    });
    value
}

#[test]
fn a_url_verifies_as_its_folder_does_and_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let (home, _) = small::world(dir.path(), 7);
    let (public, bookmark) = (home.join("public"), dir.path().join("bookmark"));
    let mut node = small::open(&home).unwrap();
    let server = Server::start(&public);
    let key = key_at(&server.url).unwrap();
    assert_eq!(&key, node.log_key());
    let follow = || verify_at(&server.url, Some(&key), Some(&bookmark), &|_, _| {});
    let here = || verify(&public, Some(&key), &|_, _| {}).unwrap();

    // The server names no files: what is checked of the rest is the same, partial tiles of old heads aside.
    let once = verify_at(&server.url, Some(&key), None, &|_, _| {}).unwrap();
    assert_eq!((once.size, &once.state, &once.balances), (here().size, &here().state, &here().balances));
    assert_eq!(without_files(&follow().unwrap()), without_files(&once));

    // Grown within a bundle, beyond one, and not at all: only what is new is read.
    for count in [3, 300, 0, 900] {
        let size = node.state().size();
        grow(&mut node, size, count);
        server.asked();
        let (far, fresh) = (follow().unwrap(), verify_at(&server.url, Some(&key), None, &|_, _| {}).unwrap());
        let asked = server.asked();
        assert_eq!((&far.state, far.size, &far.root), (&here().state, here().size, &here().root));
        assert_eq!(far.checks[1], fresh.checks[1]);
        assert_eq!(far.checks[3..9], fresh.checks[3..9], "what was checked before counts");
        let tables = |asked: &[String]| asked.iter().filter(|path| path.contains("/tables/")).count();
        assert!(asked.len() > 2 * tables(&asked), "{asked:?}");
    }
    server.asked();
    follow().unwrap();
    assert_eq!(server.asked().iter().filter(|path| path.contains("/tables/")).count(), 0);
}

/// Values of records become public with the settlement that used them, after the valuation was verified.
#[test]
fn what_was_not_public_then_is_checked_later() {
    let dir = tempfile::tempdir().unwrap();
    let (home, net) = small::world_with(dir.path(), 7, "publish = \"records\"\n");
    let (public, bookmark) = (home.join("public"), dir.path().join("bookmark"));
    let mut node = small::open(&home).unwrap();
    let server = Server::start(&public);
    let follow = || verify_at(&server.url, None, Some(&bookmark), &|_, _| {});
    let count = |verified: &Verified, what: &str| {
        verified.checks.iter().find(|check| check.what.contains(what)).map(|check| check.count)
    };
    assert_eq!(count(&follow().unwrap(), "not public"), Some(1));
    let (kept, before) = (fs::read(&bookmark).unwrap(), files(&public));
    node.settle(&net).unwrap();
    let settled = follow().unwrap();
    assert_eq!(count(&settled, "not public"), None);
    assert_eq!(count(&settled, "record values"), Some(30));
    assert_eq!(
        without_files(&settled),
        without_files(&verify_at(&server.url, None, None, &|_, _| {}).unwrap())
    );

    let values =
        files(&public).into_iter().find(|file| file.starts_with("tables/") && !before.contains(file));
    fs::remove_file(public.join(values.unwrap())).unwrap();
    fs::write(&bookmark, kept).unwrap();
    for verified in [follow(), verify(&public, None, &|_, _| {})] {
        let error = verified.unwrap_err();
        assert!(error.to_string().contains("settled by it"), "{error}");
    }
}

fn files(public: &Path) -> Vec<String> {
    let files = assay_store::PublicFiles::open(public.to_str().unwrap()).unwrap();
    files.list().unwrap()
}

#[test]
fn a_broken_line_loses_little() {
    let dir = tempfile::tempdir().unwrap();
    let (home, _) = small::world(dir.path(), 7);
    let mut node = small::open(&home).unwrap();
    grow(&mut node, 0, 5_000);
    let (public, bookmark) = (home.join("public"), dir.path().join("bookmark"));
    let server = Server::start(&public);
    let follow = || verify_at(&server.url, Some(node.log_key()), Some(&bookmark), &|_, _| {});
    server.breaks_at(Some("entries/017"));
    let error = follow().unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable, "{error}");
    assert!(bookmark.exists(), "{error}");
    server.breaks_at(None);
    server.asked();
    let verified = follow().unwrap();
    let here = verify(&public, None, &|_, _| {}).unwrap();
    assert_eq!((verified.size, verified.state), (here.size, here.state));
    assert!(!server.asked().contains(&"/log/tile/entries/000".to_owned()), "it was read before");
}

#[test]
fn what_was_verified_cannot_be_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let (home, _) = small::world(dir.path(), 7);
    let old = dir.path().join("old");
    let mut node = small::open(&home).unwrap();
    let key = node.log_key().clone();
    copy_folder(&home, &old);
    grow(&mut node, 0, 300);
    let (public, bookmark) = (home.join("public"), dir.path().join("bookmark"));
    let server = Server::start(&public);
    let follow = || verify_at(&server.url, Some(&key), Some(&bookmark), &|_, _| {});
    follow().unwrap();

    // Rolled back.
    server.serves(&old.join("public"));
    let error = follow().unwrap_err();
    assert!(error.kind == Kind::Refused && error.to_string().contains("the log now shows"), "{error}");
    assert!(compare(&server.url, public.to_str().unwrap(), None).unwrap().consistent);
    server.serves(&public);

    // Another history of the same key.
    let mut forked = small::open(&old).unwrap();
    grow(&mut forked, 1_000, 700);
    server.serves(&old.join("public"));
    let error = follow().unwrap_err();
    assert!(error.kind == Kind::Refused && error.to_string().contains("other"), "{error}");
    assert!(!compare(&server.url, public.to_str().unwrap(), None).unwrap().consistent);
    server.serves(&public);

    // Bytes changed in entries, hashes and tables; each file is named, and the folder's own check agrees.
    grow(&mut node, 300, 300);
    let table = fs::read_dir(public.join("tables")).unwrap().next().unwrap().unwrap().file_name();
    for file in ["tile/entries/001", "tile/0/001", &format!("tables/{}", table.to_str().unwrap())] {
        let bytes = fs::read(public.join(file)).unwrap();
        let mut changed = bytes.clone();
        changed[70] ^= 1;
        fs::write(public.join(file), &changed).unwrap();
        let fresh = verify_at(&server.url, Some(&key), None, &|_, _| {}).unwrap_err();
        assert!(fresh.kind == Kind::Refused && fresh.to_string().contains(file), "{fresh}");
        assert!(verify(&public, None, &|_, _| {}).is_err());
        fs::write(public.join(file), &bytes).unwrap();
    }
    fs::rename(public.join("tile/0/001"), dir.path().join("away")).unwrap();
    let error = verify_at(&server.url, Some(&key), None, &|_, _| {}).unwrap_err();
    assert!(error.to_string().contains("tile/0/001"), "{error}");
    fs::rename(dir.path().join("away"), public.join("tile/0/001")).unwrap();
    follow().unwrap();

    // A bookmark that was changed is none.
    let mut bytes = fs::read(&bookmark).unwrap();
    let last = bytes.len() - 10;
    bytes[last] ^= 1;
    fs::write(&bookmark, bytes).unwrap();
    let error = follow().unwrap_err();
    assert!(error.to_string().contains("is no bookmark"), "{error}");
}

#[test]
fn hostile_servers_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let (home, _) = small::world(dir.path(), 7);
    let public = home.join("public");
    let server = Server::start(&public);
    fs::write(public.join(CHECKPOINT), vec![b'a'; 3 << 20]).unwrap();
    let error = verify_at(&server.url, None, None, &|_, _| {}).unwrap_err();
    assert!(error.to_string().contains("longer than"), "{error}");
    for wrong in ["http://", "http://user:word@127.0.0.1/log", "http://127.0.0.1/log?x=1", "gopher://x/y"] {
        let error = verify_at(wrong, None, None, &|_, _| {}).unwrap_err();
        assert!(!error.to_string().contains("word@"), "{error}");
    }
}
