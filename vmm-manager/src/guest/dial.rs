//! Dialling through a vsock bridge.
//!
//! `vhost-device-vsock` and Cloud Hypervisor speak the same few bytes on their unix socket: we send
//! `CONNECT <port>\n`; when the guest accepts, `OK <port>\n` comes back and the stream is the
//! guest's from there on; when nobody listens in the guest, the stream just ends. While the guest
//! is paused, no answer comes at all.
//!
//! A call is never given up before its answer: `vhost-device-vsock` 0.3 panics when it has an `OK`
//! for a caller who has hung up, and carries nothing from then on.

use std::{io, path::Path, time::Duration};

use kiln_proto::agent::PORT;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::UnixStream,
    time::sleep,
};

use super::GuestError;
use crate::host;

/// Between two tries: half of it is what a boot loses on average, and each costs the guest little.
const PAUSE: Duration = Duration::from_millis(10);
/// `OK 4294967295\n`.
const MAX_ANSWER_BYTES: usize = 14;

/// Tries until the agent accepts; the caller bounds the time.
pub(super) async fn until_accepted(socket: &Path) -> Result<UnixStream, GuestError> {
    loop {
        match dial(socket).await {
            Ok(stream) => return Ok(stream),
            Err(DialError::Answer(what)) => return Err(GuestError::Protocol { what }),
            Err(DialError::Io(error)) if heals(&error) => sleep(PAUSE).await,
            Err(DialError::Io(source)) => {
                return Err(GuestError::Socket { path: socket.to_owned(), source });
            }
        }
    }
}

/// Whether a bridge that is starting, or a guest that is booting, looks like this.
fn heals(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof, WouldBlock,
    };
    matches!(
        error.kind(),
        BrokenPipe | ConnectionRefused | ConnectionReset | NotFound | UnexpectedEof | WouldBlock
    )
}

#[derive(Debug)]
enum DialError {
    Io(io::Error),
    /// Something else answers than a bridge.
    Answer(String),
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

async fn dial(socket: &Path) -> Result<UnixStream, DialError> {
    let mut stream = host::connect(socket).await?;
    handshake(&mut stream).await?;
    Ok(stream)
}

async fn handshake(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<(), DialError> {
    stream.write_all(format!("CONNECT {PORT}\n").as_bytes()).await?;
    // Byte by byte: what follows the line is the agent's already.
    let mut answer = Vec::with_capacity(MAX_ANSWER_BYTES);
    loop {
        match stream.read_u8().await? {
            b'\n' => break,
            byte if answer.len() + 1 < MAX_ANSWER_BYTES => answer.push(byte),
            _ => return Err(DialError::Answer("an endless answer to CONNECT".to_owned())),
        }
    }
    let accepted =
        answer.strip_prefix(b"OK ").and_then(|port| std::str::from_utf8(port).ok()).is_some_and(
            |port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u32>().is_ok(),
        );
    if accepted {
        Ok(())
    } else {
        Err(DialError::Answer(format!("\"{}\" as an answer to CONNECT", answer.escape_ascii())))
    }
}

#[cfg(test)]
mod tests;
