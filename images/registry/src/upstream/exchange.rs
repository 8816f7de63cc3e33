//! One request and its answer, with a limit for everything that can take long.

mod answer;
mod sent;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use hyper::{
    Method, Request,
    header::{self, HeaderName, HeaderValue},
};
use tokio::time::timeout;

pub(super) use self::{answer::Answer, sent::Sent};
use super::{
    dial::unreachable,
    failure::Failure,
    pool::{Connection, Pool},
    route::Route,
};

const USER_AGENT: &str = concat!("kiln/", env!("CARGO_PKG_VERSION"));

/// What is asked. Its headers are ours alone: nothing of a guest's request passes.
pub(super) struct Ask {
    pub method: Method,
    /// With the query.
    pub path: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub payload: Sent,
}

impl Ask {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), payload: Sent::Nothing }
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Again; none where what went along is gone.
    pub(super) fn again(&self) -> Option<Self> {
        let payload = match &self.payload {
            Sent::Nothing => Sent::Nothing,
            Sent::Bytes(bytes) => Sent::Bytes(bytes.clone()),
            Sent::Stream(..) => return None,
        };
        let Self { method, path, headers, payload: _ } = self;
        Some(Self { method: method.clone(), path: path.clone(), headers: headers.clone(), payload })
    }
}

impl Pool {
    /// On a connection that was used before and is gone, once more on a new one.
    pub(super) async fn exchange(
        &self,
        route: &Route,
        ask: Ask,
        limits: &super::Limits,
    ) -> Result<Answer, Failure> {
        let again = ask.again();
        let connection = self.connection(route, false).await?;
        let reused = connection.reused;
        let sent = send(connection, route, ask, limits).await;
        match (&sent, again) {
            (Err(Failure::Unreachable { .. }), Some(again)) if reused => {
                let connection = self.connection(route, true).await?;
                send(connection, route, again, limits).await
            }
            _ => sent,
        }
    }
}

async fn send(
    mut connection: Connection,
    route: &Route,
    ask: Ask,
    limits: &super::Limits,
) -> Result<Answer, Failure> {
    let progress = Arc::new(AtomicU64::new(0));
    let Ask { method, path, headers, payload } = ask;
    // A registry looks at all of an upload before it answers.
    let limit = if method == Method::PUT { limits.answer * 4 } else { limits.answer };
    let mut request = Request::builder().method(method).uri(path);
    request = request.header(header::HOST, route.site.authority());
    request = request.header(header::USER_AGENT, USER_AGENT);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(payload.into_body(&progress));
    let request = request.map_err(|error| unreachable(error.to_string()))?;
    let mut sending = std::pin::pin!(connection.sender.send_request(request));
    let answer = loop {
        let sent = progress.load(Ordering::Relaxed);
        match timeout(limit, &mut sending).await {
            Ok(Ok(answer)) => break answer,
            // What we were to send.
            Ok(Err(error)) if error.is_user() => {
                return Err(Failure::Source { reason: broken(&error) });
            }
            Ok(Err(error)) => return Err(unreachable(broken(&error))),
            // An upload takes as long as it does.
            Err(_) if progress.load(Ordering::Relaxed) > sent => {}
            Err(_) => {
                let seconds = limit.as_secs_f32().ceil();
                return Err(unreachable(format!("no answer within {seconds} s")));
            }
        }
    };
    Ok(Answer::new(answer, connection, limits.stall))
}

/// With what lies beneath: `connection error` alone says nothing.
fn broken(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
