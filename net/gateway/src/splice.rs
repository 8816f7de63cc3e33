//! What stands between a guest and the hosts that its policy names: a connection to an address that
//! was admitted is redirected here.
//!
//! ```text
//! accepted ─▶ destination ─▶ candidates ─▶ opening ─▶ dialled ─▶ settled (TLS) ─▶ relayed ─▶ ended
//!                │                │           │          │            │             │
//!                └────────────────┴───────────┴──────────┴────────────┴─────────────┴─▶ refused
//! ```
//!
//! The destination's address stands for the names that the resolver gave it for; of these, those
//! count that the policy names with the connection's port. What the rule's protocol says decides
//! which of them it is: TLS by the name in its hello, HTTP by that of each request, TCP by the address
//! alone. The address that is dialled was resolved by the host for that very name. What was read is
//! sent on as it came.
//!
//! What is refused gets a reset, at once, and a line in the record.

mod bulk;
mod candidates;
mod connection;
mod dial;
mod opening;
mod origin;
mod relay;
mod settle;

use std::{io, sync::Arc, time::Duration};

use kiln_net::record::Reason;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{control::transient, gateway::Gateway};

pub use self::connection::serve as serve_connection;
pub(crate) use self::{
    connection::{Refusal, begin, record},
    origin::reset,
    relay::relay,
};

/// Between two tries to accept when descriptors or memory are short.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// Ends when one of the sockets can't be accepted from any more.
pub async fn serve(gateway: Arc<Gateway>, listeners: Vec<TcpListener>) -> io::Error {
    let limit = usize::try_from(gateway.config.connections).unwrap_or(usize::MAX);
    let mut connections = JoinSet::new();
    let mut turn = 0;
    loop {
        let stream = match accept(&listeners, &mut turn, &mut connections).await {
            Ok(stream) => stream,
            Err(error) if transient(&error) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(error) => return error,
        };
        // What can't tell where it was going was not redirected.
        let Ok(destination) = origin::destination(&stream) else {
            reset(&stream);
            continue;
        };
        if connections.len() >= limit {
            reset(&stream);
            record(&gateway, destination, None, Reason::Limit);
            continue;
        }
        connections.spawn(serve_connection(Arc::clone(&gateway), stream, destination));
    }
}

/// From whichever has one, the one after the last first; and forgets connections that have ended.
pub(crate) async fn accept(
    listeners: &[TcpListener],
    turn: &mut usize,
    connections: &mut JoinSet<()>,
) -> io::Result<TcpStream> {
    let accepted = std::future::poll_fn(|context| {
        while let std::task::Poll::Ready(Some(_)) = connections.poll_join_next(context) {}
        for _ in 0..listeners.len() {
            *turn = (*turn + 1) % listeners.len();
            if let std::task::Poll::Ready(accepted) = listeners[*turn].poll_accept(context) {
                return std::task::Poll::Ready(accepted);
            }
        }
        std::task::Poll::Pending
    });
    accepted.await.map(|(stream, _)| stream)
}

#[cfg(test)]
mod tests;
