//! The way to a Postgres server, encrypted.

use assay_store::EventStore;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cluster::encrypted;
use crate::{Authority, Key, read};

/// The child: opens a log.
pub(crate) fn opens(address: &str) {
    match EventStore::open_at(address).and_then(|store| store.reader().size()) {
        Ok(size) => println!("\nread: {size}"),
        Err(error) => println!("\nrefused: {error}"),
    }
}

fn pem(key: &Key) -> String {
    let der = STANDARD.encode(key.pkcs8().secret_der());
    format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")
}

#[test]
fn a_server_is_reached_encrypted_and_believed_as_others_are() {
    let dir = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours.pem", "theirs.pem"].map(|name| dir.path().join(name));
    let (authority, _) = (Authority::new(1, &ours), Authority::new(2, &theirs));
    let (certificate, key) = authority.certify("localhost");
    let Some(cluster) = encrypted(&certificate.pem(), &pem(&key)) else { return };
    let at = |host: &str, more: &str| format!("postgres://assay@{host}:{}/postgres{more}", cluster.port());
    let address = at("localhost", "?sslmode=require");
    assert_eq!(read(&address, Some(&ours)).unwrap(), "0");
    for authorities in [None, Some(theirs.as_path())] {
        let refused = read(&address, authorities).unwrap_err();
        assert!(refused.contains("UnknownIssuer"), "{refused}");
    }
    // The certificate is for a name, and this is another.
    let refused = read(&at("127.0.0.1", "?sslmode=require"), Some(&ours)).unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
    // What is not asked for is not done: this server speaks to nobody who does not encrypt.
    for plain in ["", "?sslmode=disable", "?sslmode=prefer"] {
        let refused = read(&at("localhost", plain), Some(&ours)).unwrap_err();
        assert!(refused.contains("no encryption"), "{refused}");
    }
}
