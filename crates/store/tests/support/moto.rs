//! An S3-compatible server of the tests' own: moto from PyPI, in a virtual environment that is kept between runs, on
//! loopback, gone when the test process is.

#![allow(clippy::unwrap_used)]
// Each test crate uses a part of it.
#![allow(dead_code)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

const PACKAGE: &str = "moto[server,s3]>=5.2,<6";
/// Takes the server down when nobody holds the other end of stdin.
const SCRIPT: &str = r#"
"$1/bin/moto_server" -H 127.0.0.1 -p "$2" >/dev/null 2>&1 &
server=$!
cat >/dev/null
kill "$server"
"#;

/// The secret that the tests give to the store, and look for in everything that is said.
pub(crate) const SECRET: &str = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY";

/// A running server.
pub(crate) struct Moto {
    port: u16,
    /// Holds the server's stdin: it ends with this process, however that ends.
    _leash: Child,
}

/// The server of this process; `None`, with a printed reason, where it cannot be installed.
pub(crate) fn moto() -> Option<&'static Moto> {
    static MOTO: OnceLock<Option<Moto>> = OnceLock::new();
    MOTO.get_or_init(Moto::start).as_ref()
}

impl Moto {
    fn start() -> Option<Self> {
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto-venv");
        if !install(&venv) {
            println!("skipped: {PACKAGE} could not be installed from PyPI with python3 -m venv and pip");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let leash = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(&venv)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(Self { port, _leash: leash })
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Makes an empty bucket.
    pub(crate) fn bucket(&self, name: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request =
            format!("PUT /{name} HTTP/1.1\r\nHost: s3\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
    }

    /// What tells a process where the store is and who may use it, by way of this port.
    pub(crate) fn environment(&self, port: u16) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_ENDPOINT", format!("http://127.0.0.1:{port}")),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_TIMEOUT", "2s".to_owned()),
        ]
    }
}

fn install(venv: &Path) -> bool {
    let ran = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    venv.join("bin/moto_server").is_file()
        || (ran(Command::new("python3").args(["-m", "venv"]).arg(venv))
            && ran(Command::new(venv.join("bin/pip")).args(["install", "-q", PACKAGE])))
}
