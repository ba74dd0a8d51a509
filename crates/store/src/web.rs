//! Files on a web server, read only: what any file server or content network gives out.

use std::thread::sleep;
use std::time::Duration;

use crate::{StoreError, files, https};

/// How often a file is asked for before its server counts as gone, and the first pause between.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(200);
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// How long an answer may take to begin, and to end.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
const BODY_WAIT: Duration = Duration::from_secs(600);

/// A folder of a web server.
#[derive(Clone)]
pub(crate) struct Web {
    agent: ureq::Agent,
    base: String,
}

impl Web {
    /// The files below `http://HOST/PATH`, or `https://` in builds that have it. An address with a password or a
    /// query is refused and not repeated.
    pub(crate) fn open(address: &str) -> Result<Self, StoreError> {
        let authority = address.split('/').nth(2).unwrap_or_default();
        if authority.is_empty() || authority.contains('@') || address.contains(['?', '#', ' ']) {
            return Err(StoreError::Invalid(
                "a web address is http://HOST/PATH, without a password, a query or spaces".to_owned(),
            ));
        }
        if address.starts_with("https://") && !cfg!(feature = "tls") {
            return Err(StoreError::Invalid(
                "this build speaks plain http; build with `--features tls` for https".to_owned(),
            ));
        }
        let config = ureq::Agent::config_builder()
            // Who is believed is settled for this address, and another may be on another way.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_WAIT))
            .timeout_recv_response(Some(ANSWER_WAIT))
            .timeout_recv_body(Some(BODY_WAIT))
            .http_status_as_error(false);
        let base = address.trim_end_matches('/').to_owned();
        Ok(Self { agent: https::agent(config, std::iter::once(address))?, base })
    }

    pub(crate) fn place(&self) -> &str {
        &self.base
    }

    /// The bytes of a file; `None` if the server says that there is none. What may pass is tried again.
    pub(crate) fn read(&self, path: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, StoreError> {
        files::check_path(path)?;
        let url = format!("{}/{path}", self.base);
        let mut pause = PAUSE;
        let mut tries = 1;
        loop {
            let detail = match self.get(&url, bytes_max) {
                Ok(Answer::Found(bytes)) => return Ok(Some(bytes)),
                Ok(Answer::Absent) => return Ok(None),
                Ok(Answer::TooLong(found)) => {
                    let what = format!("the size of {url} in bytes");
                    return Err(StoreError::Limit { what, found, max: bytes_max });
                }
                Ok(Answer::Refused(status)) if status < 500 && status != 429 => {
                    let detail = format!("the server answers {status}");
                    return Err(StoreError::Objects { action: "read", place: url, detail });
                }
                Ok(Answer::Refused(status)) => format!("the server answers {status}"),
                Err(error) => match https::disbelief(&error) {
                    Some(detail) => return Err(StoreError::Objects { action: "read", place: url, detail }),
                    None => error.to_string(),
                },
            };
            if tries == TRIES {
                return Err(StoreError::Objects { action: "read", place: url, detail });
            }
            sleep(pause);
            (tries, pause) = (tries + 1, 2 * pause);
        }
    }

    fn get(&self, url: &str, bytes_max: u64) -> Result<Answer, ureq::Error> {
        let mut answer = self.agent.get(url).call()?;
        match answer.status().as_u16() {
            200 => {}
            404 | 410 => return Ok(Answer::Absent),
            status => return Ok(Answer::Refused(status)),
        }
        let body = answer.body_mut();
        if let Some(found) = body.content_length().filter(|found| *found > bytes_max) {
            return Ok(Answer::TooLong(found));
        }
        match body.with_config().limit(bytes_max.saturating_add(1)).read_to_vec() {
            Ok(bytes) if bytes.len() as u64 > bytes_max => Ok(Answer::TooLong(bytes.len() as u64)),
            Err(ureq::Error::BodyExceedsLimit(_)) => Ok(Answer::TooLong(bytes_max.saturating_add(1))),
            read => read.map(Answer::Found),
        }
    }
}

enum Answer {
    Found(Vec<u8>),
    Absent,
    /// How many bytes there are at least.
    TooLong(u64),
    Refused(u16),
}
