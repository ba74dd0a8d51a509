//! The HTTP side: `POST /add-checkpoint`, bounded in size, time and number.

use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use assay_tlog::{MAX_REQUEST_BYTES, Refusal, SIZE_CONTENT_TYPE};
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use crate::home::{Witness, WitnessError};

/// Requests that are worked on at a time; the next ones wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 256;
/// Of a body that is too long so much is read and dropped before it is refused.
const DROPPED_BYTES_MAX: usize = 8 << 20;

type Shared = Arc<Mutex<Witness>>;

/// Serves `witness` on `listener` until `stop` ends.
pub fn serve(
    witness: Witness,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(CONNECTIONS_MAX)
        .build()?;
    let app = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .with_state(Arc::new(Mutex::new(witness)));
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        axum::serve(listener, app).with_graceful_shutdown(stop).await
    })
}

/// Serves until the process is told to stop (SIGINT). A harder end loses nothing either.
pub fn run(witness: Witness, listener: TcpListener) -> io::Result<()> {
    serve(witness, listener, async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Where no signal can be heard, nothing stops the service but the end of the process.
            std::future::pending::<()>().await;
        }
    })
}

/// The body, if it is one that a request may have.
///
/// A connection that is closed over bytes nobody read is reset, and its client may never see why. So the rest of a body
/// that is too long is read and dropped first, within a bound: a reset is all there is for whoever sends more.
async fn read(mut body: Body) -> Result<Vec<u8>, StatusCode> {
    let (mut bytes, mut length) = (Vec::new(), 0_usize);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        length = length.saturating_add(data.len());
        if length <= MAX_REQUEST_BYTES {
            bytes.extend_from_slice(data);
        } else if length > DROPPED_BYTES_MAX {
            break;
        }
    }
    if length > MAX_REQUEST_BYTES { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(bytes) }
}

/// The decision waits for the disk, so it runs beside the event loop.
async fn add_checkpoint(State(witness): State<Shared>, body: Body) -> Response {
    let body = match read(body).await {
        Ok(body) => body,
        Err(status) => return status.into_response(),
    };
    let answer = tokio::task::spawn_blocking(move || {
        // A panic elsewhere leaves the memory as it was: the store decides in transactions.
        witness.lock().unwrap_or_else(PoisonError::into_inner).add_checkpoint(&body)
    });
    match answer.await {
        Ok(Ok(line)) => format!("{line}\n").into_response(),
        Ok(Err(error)) => refuse(&error),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the witness failed\n").into_response(),
    }
}

fn refuse(error: &WitnessError) -> Response {
    match error {
        WitnessError::Refused(Refusal::Conflict(size)) => {
            let kind = [(header::CONTENT_TYPE, SIZE_CONTENT_TYPE)];
            (StatusCode::CONFLICT, kind, format!("{size}\n")).into_response()
        }
        WitnessError::Refused(refusal) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            (status, format!("{refusal}\n")).into_response()
        }
        // What is wrong with the disk is the operator's business.
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "the witness cannot store anything now\n").into_response(),
    }
}
