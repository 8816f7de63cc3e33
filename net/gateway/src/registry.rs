//! The guest's way to the host's registry: what comes to its port goes to the daemon, byte by byte,
//! and is read by nobody here. Whose it is, the daemon knows by the machine's socket, so that a guest
//! needs nothing to show for itself.
//!
//! ```text
//! accepted ─▶ asked for ─▶ relayed ─▶ ended
//!                 └─ the daemon is not there, or refuses ─▶ 503, as a registry says it
//! ```

use std::{io, sync::Arc, time::Duration};

use kiln_net::record::Reason;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional_with_sizes},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use crate::{
    control::{ControlError, transient},
    gateway::Gateway,
    splice::{PAUSE, accept, record, reset},
};

/// At once, as the daemon bounds them too.
const CONNECTIONS: usize = 64;
/// In each direction.
const BUFFER_BYTES: usize = 64 << 10;
/// For a guest to take the word that there is no registry, and what it has said meanwhile.
const PARTING: Duration = Duration::from_secs(2);
const PARTING_BYTES: u64 = 64 << 10;

/// Ends when one of the sockets can't be accepted from any more.
pub async fn serve(gateway: Arc<Gateway>, listeners: Vec<TcpListener>) -> io::Error {
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
        if connections.len() >= CONNECTIONS {
            reset(&stream);
            if let Ok(own) = stream.local_addr() {
                record(&gateway, own, None, Reason::Limit);
            }
            continue;
        }
        connections.spawn(connection(Arc::clone(&gateway), stream));
    }
}

async fn connection(gateway: Arc<Gateway>, mut guest: TcpStream) {
    let _ = guest.set_nodelay(true);
    match gateway.control.registry().await {
        Ok(mut daemon) => {
            let relayed =
                copy_bidirectional_with_sizes(&mut guest, &mut daemon, BUFFER_BYTES, BUFFER_BYTES);
            // Whoever broke off, the other is told by a reset too.
            if relayed.await.is_err() {
                reset(&guest);
            }
        }
        Err(error) => {
            let _it_may_have_gone = timeout(PARTING, refuse(guest, &error)).await;
        }
    }
}

/// What a registry says that can't be used now. What the guest has said is taken, since what is left
/// unread would turn the answer into a reset.
async fn refuse(mut guest: TcpStream, error: &ControlError) -> io::Result<()> {
    guest.write_all(&unavailable(&error.to_string())).await?;
    guest.shutdown().await?;
    tokio::io::copy(&mut guest.take(PARTING_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}

/// The reason phrase is what docker's engine shows to who waits for it.
fn unavailable(reason: &str) -> Vec<u8> {
    let reason: String = reason.chars().filter(|letter| matches!(letter, ' '..='~')).collect();
    let message = format!("the registry of this host can't be used now: {reason}");
    let body = serde_json::json!({"errors": [{"code": "UNAVAILABLE", "message": message}]});
    let body = body.to_string();
    format!(
        "HTTP/1.1 503 {message}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Retry-After: 5\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests;
