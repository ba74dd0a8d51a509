//! A proxy on loopback that fails in turn, the way networks and busy servers do.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Passes,
    /// The connection is closed before the request is read.
    Refused,
    /// The request is done and nobody says so.
    AnswerLost,
    /// The request is done and half of the answer arrives.
    AnswerCut,
    /// "Slow down".
    Busy,
    /// Nothing is said for longer than the client waits.
    Silent,
}

/// Two of three requests pass; no fault follows on itself.
const FATES: [Fate; 15] = [
    Fate::Passes,
    Fate::Passes,
    Fate::Refused,
    Fate::Passes,
    Fate::Passes,
    Fate::AnswerLost,
    Fate::Passes,
    Fate::Passes,
    Fate::AnswerCut,
    Fate::Passes,
    Fate::Passes,
    Fate::Busy,
    Fate::Passes,
    Fate::Passes,
    Fate::Silent,
];
/// Longer than the timeout that the tests give to the client.
const SILENCE: Duration = Duration::from_secs(4);

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    counts: Arc<[AtomicU32; 6]>,
}

impl Proxy {
    /// How often each fault happened.
    pub(crate) fn faults(&self) -> [u32; 5] {
        std::array::from_fn(|fault| self.counts[fault + 1].load(Ordering::Relaxed))
    }
}

/// Starts a proxy for the server on this port.
pub(crate) fn start(server: u16) -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy { port: listener.local_addr().unwrap().port(), counts: Arc::default() };
    let counts = Arc::clone(&proxy.counts);
    let next = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let fate = FATES[next.fetch_add(1, Ordering::Relaxed) % FATES.len()];
            counts[fate as usize].fetch_add(1, Ordering::Relaxed);
            // A client that gave up is no failure of the proxy.
            std::thread::spawn(move || drop(serve(client, server, fate)));
        }
    });
    proxy
}

/// One connection carries one request.
fn serve(mut client: TcpStream, server: u16, fate: Fate) -> std::io::Result<()> {
    if matches!(fate, Fate::Refused) {
        return Ok(());
    }
    let request = read_request(&mut client)?;
    match fate {
        Fate::Busy => {
            return client
                .write_all(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        Fate::Silent => {
            std::thread::sleep(SILENCE);
            return Ok(());
        }
        _ => {}
    }
    let mut upstream = TcpStream::connect(("127.0.0.1", server))?;
    upstream.write_all(&request)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    match fate {
        Fate::AnswerLost => Ok(()),
        Fate::AnswerCut => client.write_all(&answer[..answer.len() / 2]),
        _ => client.write_all(&answer),
    }
}

/// The whole request, which asks the server to close the connection after its answer.
fn read_request(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut part = [0; 65_536];
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        match client.read(&mut part)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&part[..read]),
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    while bytes.len() < head + length.unwrap_or(0) {
        match client.read(&mut part)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&part[..read]),
        }
    }
    let first = bytes.windows(2).position(|window| window == b"\r\n").unwrap_or_default() + 2;
    Ok([&bytes[..first], b"Connection: close\r\n", &bytes[first..]].concat())
}
