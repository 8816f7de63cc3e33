//! What steps say to ssh agents of the build's client, on its way to the host.
//!
//! ```text
//! step ─▶ engine ─▶ its client ─▶ socket ─┐
//! step ─▶ engine ─▶ its client ─▶ socket ─┴─▶ the one stream ─▶ host
//! ```
//!
//! There is one stream at a time. Its connections are numbered by us and end with it; while there is
//! none, whoever connects is let go at once. Bounded: so many connections, so much of each that waits.
//! A connection whose end in the guest takes nothing is let go, and holds up no other.

mod connection;
mod stream;

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kiln_proto::agent::v1::SshFrame;
use tokio::net::UnixListener;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use self::stream::Stream;

pub(crate) type SshStream = ReceiverStream<Result<SshFrame, Status>>;

/// After an accept that failed, for want of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Default)]
pub(super) struct Relay(Arc<Mutex<Option<Arc<Stream>>>>);

/// Listens for one id until it is dropped.
pub(super) struct Socket {
    _listening: AbortOnDropHandle<()>,
}

impl Relay {
    /// Takes the place of the stream before.
    pub(super) fn serve(
        &self,
        frames: impl tokio_stream::Stream<Item = Result<SshFrame, Status>> + Send + 'static,
    ) -> SshStream {
        let (stream, answers) = Stream::new();
        let stream = Arc::new(stream);
        let before = self.current().replace(Arc::clone(&stream));
        if let Some(before) = before {
            before.end(Status::aborted("another stream relays ssh now"));
        }
        let relay = self.clone();
        tokio::spawn(async move {
            let status = stream.attend(frames).await;
            stream.end(status);
            let mut current = relay.current();
            if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &stream)) {
                *current = None;
            }
        });
        answers
    }

    /// Needs the runtime's context.
    pub(super) fn listen(&self, id: &str, path: &Path) -> io::Result<Socket> {
        let listener = UnixListener::bind(path)?;
        let (relay, id) = (self.clone(), id.to_owned());
        let listening = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((connection, _)) => {
                        let stream = relay.current().clone();
                        // Without a stream it is let go.
                        if let Some(stream) = stream {
                            stream.connect(&id, connection);
                        }
                    }
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        });
        Ok(Socket { _listening: AbortOnDropHandle::new(listening) })
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Arc<Stream>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
