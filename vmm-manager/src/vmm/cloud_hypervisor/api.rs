//! Cloud Hypervisor's API: HTTP/1.1 with JSON bodies over a unix socket.
//!
//! One connection for each call, so that one that is stuck is in nobody's way. A Cloud Hypervisor
//! that a guest has taken over is the guest: every call is bounded in time, every answer in size,
//! and what is said in an error is cut and made fit to be shown. Descriptors travel beside the
//! first byte of a request.

mod carrier;

use std::{io, os::fd::OwnedFd, path::PathBuf, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::UnixStream, time::timeout};

use self::carrier::Carrier;
use crate::guest::text::printable;

/// The longest that we ask for, `vm.info`, is some ten KiB.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// Of what the VMM says went wrong.
const MAX_REASON_CHARACTERS: usize = 2000;

/// One Cloud Hypervisor's API.
#[derive(Clone, Debug)]
pub(super) struct Api {
    socket: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// Nobody listens, or whoever did has gone amid the conversation.
    #[error("the API is closed")]
    Closed(#[source] io::Error),
    /// What the VMM itself says of it.
    #[error("{reason}")]
    Refused { reason: String },
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the answer is not understood: {what}")]
    Garbled { what: String },
}

impl Api {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Asks for something; nothing changes by it.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn get(
        &self,
        endpoint: &'static str,
        limit: Duration,
    ) -> Result<Value, ApiError> {
        self.call(Method::GET, endpoint, None, Vec::new(), limit).await
    }

    /// Has something done.
    ///
    /// # Cancel safety
    /// Safe, but it may be done all the same.
    pub(super) async fn put(
        &self,
        endpoint: &'static str,
        body: Option<&Value>,
        limit: Duration,
    ) -> Result<Value, ApiError> {
        self.call(Method::PUT, endpoint, body, Vec::new(), limit).await
    }

    /// [`Api::put`] with descriptors, of which the VMM gets its own.
    pub(super) async fn put_with(
        &self,
        endpoint: &'static str,
        body: &Value,
        descriptors: Vec<OwnedFd>,
        limit: Duration,
    ) -> Result<Value, ApiError> {
        self.call(Method::PUT, endpoint, Some(body), descriptors, limit).await
    }

    async fn call(
        &self,
        method: Method,
        endpoint: &'static str,
        body: Option<&Value>,
        descriptors: Vec<OwnedFd>,
        limit: Duration,
    ) -> Result<Value, ApiError> {
        let request = request(method, endpoint, body)?;
        let asked = async {
            let stream = UnixStream::connect(&self.socket).await.map_err(ApiError::Closed)?;
            converse(Carrier::new(stream, descriptors), request).await
        };
        timeout(limit, asked).await.unwrap_or(Err(ApiError::Timeout(limit)))
    }
}

fn request(
    method: Method,
    endpoint: &'static str,
    body: Option<&Value>,
) -> Result<Request<Full<Bytes>>, ApiError> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/api/v1/{endpoint}"))
        .header(header::HOST, "localhost")
        .header(header::ACCEPT, "application/json");
    let body = match body {
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Bytes::from(body.to_string())
        }
        None => Bytes::new(),
    };
    request.body(Full::new(body)).map_err(|error| garbled(&error))
}

async fn converse(stream: Carrier, request: Request<Full<Bytes>>) -> Result<Value, ApiError> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(closed_or_garbled)?;
    let asked = async {
        let answer = sender.send_request(request).await.map_err(closed_or_garbled)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| ApiError::Garbled { what: shown(&error.to_string()) })?
            .to_bytes();
        understood(status, &body)
    };
    // The connection is worked by the one who waits for its answer, and ends with him.
    let mut connection = std::pin::pin!(connection);
    let mut asked = std::pin::pin!(asked);
    tokio::select! {
        biased;
        answer = &mut asked => answer,
        // The last of the answer may have come with the end.
        _ = &mut connection => asked.await,
    }
}

fn understood(status: StatusCode, body: &[u8]) -> Result<Value, ApiError> {
    if !status.is_success() {
        return Err(ApiError::Refused { reason: reason(status, body) });
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).map_err(|error| garbled(&error))
}

/// The causes that the VMM names, outermost first; what else it says, as it says it.
fn reason(status: StatusCode, body: &[u8]) -> String {
    let causes = serde_json::from_slice::<Vec<String>>(body);
    // A cause may bring the way that the VMM took to it, on lines of its own.
    let first = |cause: &String| cause.lines().next().unwrap_or_default().to_owned();
    let text = causes.map(|causes| causes.iter().map(first).collect::<Vec<_>>().join(": "));
    let text = text.unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned());
    if text.trim().is_empty() { status.to_string() } else { shown(text.trim()) }
}

fn shown(text: &str) -> String {
    printable(text).chars().take(MAX_REASON_CHARACTERS).collect()
}

fn closed_or_garbled(error: hyper::Error) -> ApiError {
    if error.is_parse() || error.is_parse_too_large() {
        return garbled(&error);
    }
    ApiError::Closed(io::Error::other(error))
}

fn garbled(error: &dyn std::error::Error) -> ApiError {
    ApiError::Garbled { what: shown(&error.to_string()) }
}

#[cfg(test)]
mod tests;
