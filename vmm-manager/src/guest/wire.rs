//! HTTP/2 over exactly one stream. There is no reconnecting by construction: when the stream ends,
//! so does everything that was built on it.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    client::conn::http2::{Builder, SendRequest},
    rt::Executor,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{body::Body, codegen::http};
use tower::Service;

use super::{
    frames::{Breach, Guarded, MAX_FRAME_BYTES},
    said::{Overheard, Said},
};

/// How long a guest may leave our pings unanswered: an emulated guest on a busy host is slow, and
/// a command at its limits makes it slower.
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(30);
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Between the end of a call and the word of its connection's task on why.
const EXPLANATION: Duration = Duration::from_millis(100);

/// Of one command's output, so that a reader who waits holds this much and no more.
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
/// The library ends a connection whose small frames pile up: each under 256 bytes takes what it
/// lacks from a budget of half this window. The smallest message of a command takes 8 bytes, so one
/// window of them takes 128 Ki ÷ 8 × 248 = 3.9 MiB of 4.0: a command that prints byte by byte to
/// a reader who waits is never mistaken for an attack. A little less than 8 MiB, because at 16,384
/// frames that wait the library doubles what it keeps them in.
const CONNECTION_WINDOW_BYTES: u32 = 8128 * 1024;
const MAX_HEADER_LIST_BYTES: u32 = 8 * 1024;
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// The client's end of the one connection.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    requests: SendRequest<Body>,
}

/// What must be held as long as the connection is to last: dropping it ends every task of it.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) breach: Breach,
    fate: Fate,
    _leash: DropGuard,
}

impl Hold {
    /// Whether the connection has ended because the guest left our pings unanswered. A call that
    /// ends with its connection is only told that it is gone.
    pub(super) async fn fell_silent(&self) -> bool {
        let _ = timeout(EXPLANATION, self.fate.over.cancelled()).await;
        self.fate.silent.load(Ordering::Relaxed)
    }
}

/// How the connection ended: its task writes it.
#[derive(Clone, Debug, Default)]
struct Fate {
    silent: Arc<AtomicBool>,
    over: CancellationToken,
}

/// Speaks HTTP/2 over `stream`.
pub(super) async fn open<S>(stream: S) -> Result<(Wire, Hold), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (guarded, breach) = Guarded::new(stream);
    let (leash, fate) = (CancellationToken::new(), Fate::default());
    let hold = Hold { breach, fate: fate.clone(), _leash: leash.clone().drop_guard() };
    let (requests, connection) = Builder::new(Leashed(leash.clone()))
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .max_header_list_size(MAX_HEADER_LIST_BYTES)
        .header_table_size(0)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(guarded))
        .await?;
    Leashed(leash).execute(async move {
        // Its error reaches every request that was under way.
        if let Err(error) = connection.await {
            fate.silent.store(error.is_timeout(), Ordering::Relaxed);
            tracing::debug!(%error, "the connection to a guest has ended");
        }
        fate.over.cancel();
    });
    Ok((Wire { requests }, hold))
}

impl Service<http::Request<Body>> for Wire {
    type Response = http::Response<Overheard>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    /// A connection that has ended is told by the call, which keeps the cause.
    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let said = request.extensions_mut().remove::<Said>().unwrap_or_default();
        let response = self.requests.send_request(request);
        Box::pin(async move { Ok(said.listen(response.await?)) })
    }
}

/// Spawns tasks that end with their leash.
#[derive(Clone, Debug)]
struct Leashed(CancellationToken);

impl<F> Executor<F> for Leashed
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let leash = self.0.clone();
        tokio::spawn(async move { leash.run_until_cancelled(task).await });
    }
}
