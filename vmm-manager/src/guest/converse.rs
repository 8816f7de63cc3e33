//! A whole conversation over any stream: the one entry to everything that parses a guest's bytes.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{
    Command, Connection, ExecEvent, ExecExit, GuestError, GuestHello, Hello, RefusalReason,
};

/// What to say, and what to put up with.
#[derive(Clone, Debug)]
pub struct Conversation {
    pub hello: Hello,
    pub command: Command,
    /// Of stdout and stderr together.
    pub output_bytes: u64,
    /// From the first byte to the last.
    pub limit: Duration,
}

/// How it went with an agent that kept the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    pub hello: GuestHello,
    pub output_bytes: u64,
    pub end: End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Exited(ExecExit),
    Refused { reason: RefusalReason, message: String },
}

/// Greets the agent at the other end of `stream`, runs a command and drains its output, which is
/// thrown away. Needs no machine: it is how fuzzing and fake agents reach the client. Whatever the
/// other end sends, this ends within `limit` in a transcript or a typed error, and holds no more
/// than a few MiB meanwhile.
pub async fn converse<S>(stream: S, conversation: Conversation) -> Result<Transcript, GuestError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Conversation { hello, command, output_bytes, limit } = conversation;
    timeout(limit, async move {
        let (guest, hello) = Connection::over(stream).await?.hello(hello).await?;
        let (_input, mut output) = guest.exec(command).await?;
        let mut taken = 0_u64;
        let end = loop {
            match output.next().await? {
                ExecEvent::Started { .. } => {}
                ExecEvent::Stdout(bytes) | ExecEvent::Stderr(bytes) => taken += bytes.len() as u64,
                ExecEvent::Exited(exit) => break End::Exited(exit),
                ExecEvent::Refused { reason, message } => break End::Refused { reason, message },
            }
            if taken > output_bytes {
                let what = format!("more than {output_bytes} bytes of output");
                return Err(GuestError::Protocol { what });
            }
        };
        Ok(Transcript { hello, output_bytes: taken, end })
    })
    .await
    .unwrap_or(Err(GuestError::Silent { phase: "the conversation", limit }))
}
