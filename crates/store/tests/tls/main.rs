//! Public files over https: who is believed, and who is not.
//!
//! Authorities come from the environment, so each look at a server is a child process that has it.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used)]

#[cfg(feature = "postgres")]
#[path = "../support/cluster.rs"]
mod cluster;
#[cfg(feature = "postgres")]
mod postgres;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use assay_store::PublicFiles;
use ed25519_dalek::{Signer as _, SigningKey};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, PKCS_ED25519, SerialNumber};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const CHILD: &str = "ASSAY_TLS_CHILD";
const FILE: &str = "SSL_CERT_FILE";

/// A key of a certificate.
struct Key(SigningKey, [u8; 32]);

impl Key {
    fn new(seed: u8) -> Self {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let public = key.verifying_key().to_bytes();
        Self(key, public)
    }

    /// RFC 8410, section 7.
    fn pkcs8(&self) -> PrivateKeyDer<'static> {
        let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
        der.extend_from_slice(&self.0.to_bytes());
        PrivatePkcs8KeyDer::from(der).into()
    }
}

impl rcgen::PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.1
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.0.sign(message).to_bytes().to_vec())
    }
}

/// An authority, and the file that names it.
struct Authority {
    params: CertificateParams,
    key: Key,
}

impl Authority {
    fn new(seed: u8, file: &Path) -> Self {
        let mut params = params(Vec::new(), seed);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("authority {seed}"));
        let key = Key::new(seed);
        std::fs::write(file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { params, key }
    }

    /// A certificate for `name`, and its key.
    fn certify(&self, name: &str) -> (rcgen::Certificate, Key) {
        let (key, issuer) = (Key::new(77), Issuer::from_params(&self.params, &self.key));
        (params(vec![name.to_owned()], 9).signed_by(&key, &issuer).unwrap(), key)
    }

    /// A server on loopback whose certificate is for `name`; its port, and how often it was asked.
    fn serve(&self, name: &str) -> (u16, Arc<AtomicU64>) {
        let (certificate, key) = self.certify(name);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth();
        let config = Arc::new(config.with_single_cert(vec![certificate.der().clone()], key.pkcs8()).unwrap());
        let (listener, asked) = (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(AtomicU64::new(0)));
        let (port, count) = (listener.local_addr().unwrap().port(), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
                // A client that does not believe us hangs up.
                let _ = answer(stream, &config);
            }
        });
        (port, asked)
    }
}

fn params(names: Vec<String>, serial: u8) -> CertificateParams {
    let mut params = CertificateParams::new(names).unwrap();
    params.serial_number = Some(SerialNumber::from(vec![serial]));
    params
}

/// Answers one request with its path.
fn answer(stream: TcpStream, config: &Arc<ServerConfig>) -> std::io::Result<()> {
    let connection = ServerConnection::new(Arc::clone(config)).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let path = String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{path}", path.len())?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// What a child that believes the authorities of a file reads from an address.
fn read(address: &str, authorities: Option<&Path>) -> Result<String, String> {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["a_child_reads", "--exact", "--nocapture"]).env(CHILD, address).env_remove(FILE);
    if let Some(file) = authorities {
        child.env(FILE, file);
    }
    let said = String::from_utf8(child.output().unwrap().stdout).unwrap();
    let line = |prefix: &str| said.lines().find_map(|line| Some(line.split_once(prefix)?.1.to_owned()));
    line("read: ").ok_or_else(|| line("refused: ").unwrap_or(said.clone()))
}

/// The child.
#[test]
fn a_child_reads() {
    let Ok(address) = std::env::var(CHILD) else { return };
    #[cfg(feature = "postgres")]
    if address.starts_with("postgres:") {
        return postgres::opens(&address);
    }
    match PublicFiles::open(&address).and_then(|files| files.read("checkpoint", 1_000)) {
        Ok(bytes) => println!("\nread: {}", String::from_utf8(bytes.unwrap()).unwrap()),
        Err(error) => println!("\nrefused: {error}"),
    }
}

#[test]
fn a_server_is_believed_if_its_authority_is() {
    let dir = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours.pem", "theirs.pem"].map(|name| dir.path().join(name));
    let (authority, _) = (Authority::new(1, &ours), Authority::new(2, &theirs));
    let (port, asked) = authority.serve("localhost");
    let address = format!("https://localhost:{port}/log");
    assert_eq!(read(&address, Some(&ours)).unwrap(), "/log/checkpoint");

    let both = dir.path().join("both.pem");
    std::fs::write(&both, [&theirs, &ours].map(|file| std::fs::read(file).unwrap()).concat()).unwrap();
    assert_eq!(read(&address, Some(&both)).unwrap(), "/log/checkpoint");

    // Of an authority that nobody named, of another one than that which was named: refused at the first try, and it says why.
    asked.store(0, Ordering::Relaxed);
    for authorities in [None, Some(theirs.as_path())] {
        let refused = read(&address, authorities).unwrap_err();
        assert!(refused.contains("of no authority that is believed here"), "{refused}");
        assert!(refused.contains(FILE) && refused.contains(&address), "{refused}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[test]
fn a_certificate_is_for_one_name() {
    let dir = tempfile::tempdir().unwrap();
    let ours = dir.path().join("ours.pem");
    let (port, asked) = Authority::new(3, &ours).serve("elsewhere.example");
    let refused = read(&format!("https://localhost:{port}"), Some(&ours)).unwrap_err();
    assert!(refused.contains("its certificate is for another name"), "{refused}");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn a_file_without_authorities_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (empty, absent) = (dir.path().join("empty.pem"), dir.path().join("absent.pem"));
    std::fs::write(&empty, "nothing to see").unwrap();
    let refused = |file: &Path| read("https://localhost:1", Some(file)).unwrap_err();
    assert!(refused(&empty).contains("holds no certificate"), "{}", refused(&empty));
    assert!(refused(&absent).contains("absent.pem"), "{}", refused(&absent));
    // Plain http asks no authority.
    let refused = read("http://localhost:1", Some(&empty)).unwrap_err();
    assert!(!refused.contains("certificate"), "{refused}");
}
