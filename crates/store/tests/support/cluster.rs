//! A Postgres server of the tests' own: in a temporary folder, on loopback, gone when the test process is.

#![allow(clippy::unwrap_used)]
// Each test crate uses a part of it.
#![allow(dead_code)]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Makes a server in a new folder, says `ready`, and takes it down when nobody holds the other end of stdin.
const SCRIPT: &str = r#"
set -eu
dir=$(mktemp -d "${TMPDIR:-/tmp}/assay-postgres.XXXXXX")
server=
trap 'if [ -n "$server" ]; then kill -INT "$server"; wait "$server" || true; fi; rm -rf "$dir"' EXIT
cd "$dir"
"$1/initdb" -D data -U assay -A trust -E UTF8 --locale=C --no-sync >initdb.log
printf '%s\n' 'host all guarded 127.0.0.1/32 scram-sha-256' 'host all all 127.0.0.1/32 trust' >data/pg_hba.conf
ssl=off
if [ -n "$3" ]; then
    ssl=on
    printf '%s' "$3" >data/server.crt
    (umask 077 && printf '%s' "$4" >data/server.key)
    printf '%s\n' 'hostssl all guarded 127.0.0.1/32 scram-sha-256' 'hostssl all all 127.0.0.1/32 trust' >data/pg_hba.conf
fi
"$1/postgres" -D data -p "$2" -c ssl="$ssl" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$dir" \
    -c shared_buffers=16MB -c max_connections=200 -c password_encryption=scram-sha-256 >server.log 2>&1 &
server=$!
until "$1/pg_isready" -q -h 127.0.0.1 -p "$2"; do kill -0 "$server"; sleep 0.1; done
echo ready
cat >/dev/null
"#;

/// A running server. Everybody is trusted but the role `guarded`, which must give its password.
pub(crate) struct Cluster {
    bin: PathBuf,
    port: u16,
    schemas: AtomicU32,
    /// Holds the server's stdin: it ends with this process, however that ends.
    _leash: Child,
}

/// The server of this process; `None`, with a printed reason, where Postgres is not installed.
pub(crate) fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start("", "")).as_ref()
}

/// A server that speaks to nobody unless encrypted, with this certificate and key (PEM).
pub(crate) fn encrypted(certificate: &str, key: &str) -> Option<Cluster> {
    Cluster::start(certificate, key)
}

impl Cluster {
    fn start(certificate: &str, key: &str) -> Option<Self> {
        let Some(bin) = installed() else {
            println!("skipped: no initdb below /usr/lib/postgresql; `apt-get install postgresql` has it");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // Postgres refuses to run as root.
        let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let mut shell = Command::new(if is_root { "runuser" } else { "sh" });
        if is_root {
            shell.args(["-u", "postgres", "--", "sh"]);
        }
        let mut leash = shell
            .args(["-c", SCRIPT, "sh"])
            .arg(&bin)
            .arg(port.to_string())
            .args([certificate, key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .current_dir("/")
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(leash.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the server did not start");
        Some(Self { bin, port, schemas: AtomicU32::new(0), _leash: leash })
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The address of an empty store that nobody else uses.
    pub(crate) fn fresh(&self) -> String {
        let number = self.schemas.fetch_add(1, Ordering::Relaxed);
        let schema = format!("s{}_{number}", std::process::id());
        self.sql("public", &format!("CREATE SCHEMA {schema}"));
        format!("postgres://assay@127.0.0.1:{}/postgres?options=-csearch_path%3D{schema}", self.port)
    }

    /// Runs statements as the owner in the store of this address; what they print.
    pub(crate) fn sql_at(&self, address: &str, statements: &str) -> String {
        self.sql(address.rsplit_once("%3D").unwrap().1, statements)
    }

    fn sql(&self, schema: &str, statements: &str) -> String {
        let output = Command::new(self.bin.join("psql"))
            .args([
                "-h",
                "127.0.0.1",
                "-U",
                "assay",
                "-d",
                "postgres",
                "-v",
                "ON_ERROR_STOP=1",
                "-X",
                "-A",
                "-t",
            ])
            .args(["-p", &self.port.to_string(), "-c", statements])
            .env("PGOPTIONS", format!("-csearch_path={schema}"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The newest installed version.
fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let bins = versions.flatten().map(|version| version.path().join("bin"));
    bins.filter(|bin| bin.join("initdb").is_file() && bin.join("psql").is_file()).max()
}
