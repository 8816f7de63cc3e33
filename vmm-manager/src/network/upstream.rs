//! The host's resolvers, to whom a gateway's questions are relayed.
//!
//! ```text
//! question ─▶ header looked at ─▶ server 1, UDP ── truncated ──▶ the same, TCP ─▶ answer
//!                                    │ silent, refuses, fails
//!                                    └─▶ server 2 … ─▶ server 1 again, with more patience ─▶ given up
//! ```
//!
//! Of a message only the header is read, which has one form (RFC 1035, 4.1.1): that a question is
//! one, and that what comes back belongs to it. Everything behind it is bytes from a guest's gateway
//! to a server and back. Each question leaves from a port of its own, under a number that we draw,
//! so that nobody off the way can answer it, whatever number the gateway chose.

mod exchange;
mod header;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::Semaphore,
    time::{error::Elapsed, timeout},
};

use self::header::{Header, InvalidQuestion};
use crate::config::Resolvers;

/// For all servers and rounds together: a guest's own resolver gives up at about this time.
const WHOLE: Duration = Duration::from_secs(5);
/// For one server to answer, in each round.
const ROUNDS: [Duration; 2] = [Duration::from_millis(800), Duration::from_millis(1500)];
/// Of all machines at once: each has a socket.
const AT_ONCE: usize = 1024;
/// As the C library has it, and one more.
const MOST_SERVERS: usize = 4;
/// How long the system's list is not read again.
const KNOWN_FOR: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Upstreams {
    resolvers: Resolvers,
    /// When they were looked up last, and who they were.
    known: Mutex<Option<(Instant, Arc<[SocketAddr]>)>>,
    /// Which of them answered last: one that is dead is not asked first again and again.
    preferred: AtomicUsize,
    at_once: Semaphore,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error(transparent)]
    Question(#[from] InvalidQuestion),
    #[error("the host has no resolver: name one with --dns")]
    NoServer,
    #[error("the host's resolvers are not known")]
    Unknown(#[source] io::Error),
    #[error("none of the host's resolvers answers")]
    Silent,
}

impl From<Elapsed> for ResolveError {
    fn from(_: Elapsed) -> Self {
        Self::Silent
    }
}

impl Upstreams {
    pub(crate) fn new(resolvers: Resolvers) -> Self {
        Self {
            resolvers,
            known: Mutex::default(),
            preferred: AtomicUsize::new(0),
            at_once: Semaphore::new(AT_ONCE),
        }
    }

    /// Whoever it is now, or was just now.
    pub(super) fn servers(&self) -> Result<Arc<[SocketAddr]>, ResolveError> {
        // Replaced whole, so that a panic elsewhere has left it whole.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, servers)) = &*known
            && since.elapsed() < KNOWN_FOR
        {
            return Ok(Arc::clone(servers));
        }
        let now = self.resolvers.now().map_err(ResolveError::Unknown)?;
        if now.is_empty() {
            return Err(ResolveError::NoServer);
        }
        let servers: Arc<[SocketAddr]> = now.into_iter().take(MOST_SERVERS).collect();
        *known = Some((Instant::now(), Arc::clone(&servers)));
        Ok(servers)
    }

    /// What one of the servers says to `question`, under the question's own number.
    ///
    /// # Cancel safety
    /// Safe: an answer that nobody takes is dropped.
    pub(crate) async fn resolve(&self, mut question: Vec<u8>) -> Result<Vec<u8>, ResolveError> {
        let asked = Header::of_question(&question)?;
        let servers = self.servers()?;
        let drawn = header::draw();
        header::renumber(&mut question, drawn);
        let mut answer = timeout(WHOLE, self.ask_in_turn(&servers, &question)).await??;
        header::renumber(&mut answer, asked.number);
        Ok(answer)
    }

    async fn ask_in_turn(
        &self,
        servers: &[SocketAddr],
        question: &[u8],
    ) -> Result<Vec<u8>, ResolveError> {
        // Never closed.
        let _permit = self.at_once.acquire().await.map_err(|_| ResolveError::Silent)?;
        let first = self.preferred.load(Ordering::Relaxed);
        let mut second_best = None;
        for patience in ROUNDS {
            for turn in 0..servers.len() {
                let index = (first + turn) % servers.len();
                match exchange::ask(servers[index], question, patience).await {
                    Ok(answer) if Header::of_answer(&answer).is_some_and(|head| head.is_final) => {
                        self.preferred.store(index, Ordering::Relaxed);
                        return Ok(answer);
                    }
                    // A server that can't say; another one may.
                    Ok(answer) => second_best = Some(answer),
                    Err(error) => {
                        tracing::debug!(server = %servers[index], %error, "a resolver is silent");
                    }
                }
            }
            if let Some(answer) = second_best {
                return Ok(answer);
            }
        }
        Err(ResolveError::Silent)
    }
}

#[cfg(test)]
mod tests;
