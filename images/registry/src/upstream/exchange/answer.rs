//! Answers, read with limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{HeaderMap, Response, StatusCode, body::Incoming, header};
use tokio::time::{Instant, timeout, timeout_at};

use super::broken;
use crate::upstream::{dial::unreachable, failure::Failure, pool::Connection};

/// In a stall's time; slower is a stall too.
const MIN_BYTES: u64 = 4 << 10;

/// Its head, and its body yet to be read.
pub(in crate::upstream) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Incoming,
    /// Read already, and to be read again.
    put_back: Option<Bytes>,
    connection: Option<Connection>,
    stall: Duration,
    window: (Instant, u64),
}

impl Answer {
    pub(super) fn new(answer: Response<Incoming>, connection: Connection, stall: Duration) -> Self {
        let (head, body) = answer.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            body,
            put_back: None,
            connection: Some(connection),
            stall,
            window: (Instant::now(), 0),
        }
    }

    pub(in crate::upstream) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// None: it is over.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub(in crate::upstream) async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        if let Some(bytes) = self.put_back.take() {
            return Ok(Some(bytes));
        }
        loop {
            let (since, bytes) = self.window;
            if since.elapsed() >= self.stall {
                if bytes < MIN_BYTES {
                    return Err(self.stalled());
                }
                self.window = (Instant::now(), 0);
            }
            let until = Instant::now() + self.stall;
            match timeout_at(until, self.body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.window.1 += bytes.len() as u64;
                        return Ok(Some(bytes));
                    }
                }
                Ok(Some(Err(error))) => {
                    self.connection = None;
                    return Err(unreachable(broken(&error)));
                }
                Ok(None) => {
                    if let Some(connection) = self.connection.take() {
                        connection.give_back();
                    }
                    return Ok(None);
                }
                Err(_) => return Err(self.stalled()),
            }
        }
    }

    pub(in crate::upstream) fn put_back(&mut self, bytes: Bytes) {
        self.put_back = Some(bytes);
    }

    fn stalled(&mut self) -> Failure {
        self.connection = None;
        unreachable(format!("its answer stalls for {} s", self.stall.as_secs_f32().ceil()))
    }

    /// All of it, when it is not more than that.
    pub(in crate::upstream) async fn whole(&mut self, most: u64) -> Result<Bytes, Failure> {
        let declared = self.header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        if declared.is_some_and(|length: u64| length > most) {
            return Err(Failure::TooLarge { most });
        }
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if (whole.len() + chunk.len()) as u64 > most {
                return Err(Failure::TooLarge { most });
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// What it says is of no interest; the connection may be.
    pub(in crate::upstream) async fn discard(mut self) {
        const MOST: u64 = 16 << 10;
        const WAIT: Duration = Duration::from_millis(250);
        // One that is too long or too slow is closed.
        drop(timeout(WAIT, self.whole(MOST)).await);
    }
}
