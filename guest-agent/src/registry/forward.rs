//! One connection of the engine's to a registry, and the one to the gateway that stands for it.
//!
//! The answers are passed on unread, so that the words in them reach the engine as they were said.
//! What was asked and not answered at all when the gateway's connection breaks is asked again where
//! that changes nothing: the host's daemon may have been started anew. A body that was cut off ends
//! the engine's connection, and the engine asks for the rest of it.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::request::{Passed, Requests};

const BUFFER_BYTES: usize = 16 << 10;
/// Nothing either way.
const IDLE: Duration = Duration::from_secs(900);
/// In all, of one request; the gateway waits for the daemon by itself.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// What is owed to the engine.
#[derive(Debug, Default)]
enum Asked {
    #[default]
    /// Nothing, or what can't be asked for again.
    Once,
    Again {
        head: Vec<u8>,
        tries: u32,
    },
}

pub(super) async fn forward(
    mut engine: impl AsyncRead + AsyncWrite + Unpin,
    mut requests: Requests,
    registry: SocketAddr,
) -> io::Result<()> {
    let mut host = connect(registry).await?;
    let mut asked = Asked::Once;
    let (mut there, mut back) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        let step = timeout(IDLE, async {
            tokio::select! {
                read = engine.read(&mut there) => Step::Engine(read),
                read = host.read(&mut back) => Step::Host(read),
            }
        });
        match step.await.map_err(|_| io::ErrorKind::TimedOut)? {
            Step::Engine(Ok(0)) => return Ok(()),
            Step::Engine(read) => match requests.push(&there[..read?]) {
                Ok(Passed { bytes, again, began }) => {
                    if began {
                        asked = again.map_or(Asked::Once, |head| Asked::Again { head, tries: 1 });
                    }
                    if let Err(error) = host.write_all(&bytes).await {
                        host = ask_again(&mut asked, registry).await.ok_or(error)?;
                    }
                }
                Err(refused) => {
                    engine.write_all(refusal(&refused).as_bytes()).await?;
                    return engine.shutdown().await;
                }
            },
            Step::Host(Ok(0) | Err(_)) => match ask_again(&mut asked, registry).await {
                Some(again) => host = again,
                None => return engine.shutdown().await,
            },
            Step::Host(Ok(read)) => {
                asked = Asked::Once;
                engine.write_all(&back[..read]).await?;
                engine.flush().await?;
            }
        }
    }
}

enum Step {
    Engine(io::Result<usize>),
    Host(io::Result<usize>),
}

async fn connect(registry: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(registry).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A new connection on which it was, if there is anything to ask for again.
async fn ask_again(asked: &mut Asked, registry: SocketAddr) -> Option<TcpStream> {
    let Asked::Again { head, tries } = asked else { return None };
    while *tries < TRIES {
        *tries += 1;
        sleep(PAUSE).await;
        let Ok(mut stream) = connect(registry).await else { continue };
        if stream.write_all(head).await.is_ok() {
            return Some(stream);
        }
    }
    None
}

/// Its words begin with the status.
pub(super) fn refusal(words: &impl std::fmt::Display) -> String {
    format!("HTTP/1.1 {words}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
