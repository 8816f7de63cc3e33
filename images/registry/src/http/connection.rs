//! One connection: its limits, and its end.
//!
//! ```text
//! head within HEAD ─▶ answer ─▶ written, each byte within the wire's patience ─▶ next head …
//!    ├ none in time, too large, no HTTP ─▶ closed
//!    └ last answer given ─▶ linger ─▶ closed
//! ```

use std::{convert::Infallible, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    exchange,
    receipts::Receipts,
    wire::{Wire, linger},
};
use crate::{
    caller::Caller,
    registry::{Registry, Via},
};

/// From the last answer to the end of the next request's head: clients keep connections a while, and
/// those that send a byte now and then shall not keep theirs.
const HEAD: Duration = Duration::from_secs(60);
/// And a hundred headers, which is what hyper admits.
const MAX_HEAD_BYTES: usize = 32 << 10;

pub(crate) async fn serve<S>(registry: &Registry, stream: S, caller: &Caller, via: Via)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let receipts = Receipts::new(caller.ledger.clone());
    let wire = TokioIo::new(Wire::new(stream, receipts.clone()));
    let service = service_fn(|request: Request<Incoming>| {
        let answer = exchange::answer(registry, caller, via, &receipts, request);
        Box::pin(async move { Ok::<_, Infallible>(answer.await) })
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_header_size(MAX_HEAD_BYTES)
        .serve_connection(wire, service)
        .without_shutdown()
        .await;
    match served {
        Ok(parts) => linger(parts.io.into_inner()).await,
        // A client's doing, or a body that broke off, which was told where it did.
        Err(error) => tracing::debug!(%error, "a connection to the registry broke"),
    }
}
