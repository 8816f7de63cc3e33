//! A whole conversation over any stream: the one entry to everything that parses a guest's bytes.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    time::timeout,
};

use super::{
    Command, Connection, DiskEnd, ExecEvent, ExecExit, Guest, GuestError, GuestHello, Hello, Pack,
    RefusalReason, Unpack,
};

/// What to say, and what to put up with.
#[derive(Clone, Debug)]
pub struct Conversation {
    pub hello: Hello,
    /// Before the command.
    pub unpack: Option<Unpack>,
    pub command: Command,
    /// All there is to say to the command, from the offset on that it names; then stdin is closed.
    /// Only for a command that takes stdin.
    pub stdin: Bytes,
    /// After the command.
    pub pack: Option<Pack>,
    /// Of stdout and stderr together.
    pub output_bytes: u64,
    /// From the first byte to the last.
    pub limit: Duration,
}

/// How it went with an agent that kept the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    pub hello: GuestHello,
    pub unpacked: Option<DiskEnd>,
    pub output_bytes: u64,
    /// What the agent took of it, on all streams.
    pub stdin_bytes: u64,
    pub end: End,
    pub packed: Option<DiskEnd>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Exited(ExecExit),
    Refused { reason: RefusalReason, message: String },
}

/// Greets the agent at the other end of `stream`, brings in a disk, runs a command and drains its
/// output, which is thrown away, and takes out a disk. Needs no machine: it is how fuzzing and fake
/// agents reach the client. Whatever the other end sends, this ends within `limit` in a transcript
/// or a typed error, and holds no more than a few MiB meanwhile.
pub async fn converse<S>(stream: S, conversation: Conversation) -> Result<Transcript, GuestError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limit = conversation.limit;
    timeout(limit, talk(stream, conversation))
        .await
        .unwrap_or(Err(GuestError::Silent { phase: "the conversation", limit }))
}

async fn talk<S>(stream: S, conversation: Conversation) -> Result<Transcript, GuestError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Conversation { hello, unpack, command, stdin, pack, output_bytes: most, limit: _ } =
        conversation;
    let (guest, hello) = Connection::over(stream).await?.hello(hello).await?;
    let unpacked = match unpack {
        Some(unpack) => Some(guest.unpack(unpack).await?),
        None => None,
    };
    let Ran { output_bytes, stdin_bytes, end } = run(&guest, command, stdin, most).await?;
    let packed = match pack {
        Some(pack) => Some(guest.pack(pack).await?),
        None => None,
    };
    Ok(Transcript { hello, unpacked, output_bytes, stdin_bytes, end, packed })
}

#[derive(Debug)]
struct Ran {
    output_bytes: u64,
    stdin_bytes: u64,
    end: End,
}

async fn run(guest: &Guest, command: Command, stdin: Bytes, most: u64) -> Result<Ran, GuestError> {
    let mut safe = command.id.is_some().then_some(command.output_offset);
    let takes_stdin = command.stdin;
    let (input, mut output) = guest.exec(command).await?;
    let (start, started) = oneshot::channel();
    let feed = async {
        let Ok(from) = started.await else { return };
        // Errors mean that the command is over, which its output tells better.
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(stdin.len());
        let _ = input.stdin(stdin.slice(from..)).await;
        let _ = input.close_stdin().await;
    };
    let drain = async {
        let mut start = Some(start);
        let (mut output_bytes, mut stdin_bytes) = (0, 0);
        let end = loop {
            match output.next().await? {
                ExecEvent::Started { stdin_offset, stdin_closed, .. } => {
                    stdin_bytes = stdin_offset;
                    let start = start.take().filter(|_| takes_stdin && !stdin_closed);
                    let _ = start.map(|start| start.send(stdin_offset));
                }
                ExecEvent::Stdout(bytes) | ExecEvent::Stderr(bytes) => {
                    output_bytes += bytes.len() as u64;
                    if let Some(safe) = &mut safe {
                        *safe += bytes.len() as u64;
                        input.taken(*safe);
                    }
                }
                ExecEvent::StdinTaken { offset } => stdin_bytes = offset,
                // A command's stream has none.
                ExecEvent::Up(_) => {}
                ExecEvent::Exited(exit) => break End::Exited(exit),
                ExecEvent::Refused { reason, message } => break End::Refused { reason, message },
            }
            if output_bytes > most {
                let what = format!("more than {most} bytes of output");
                return Err(GuestError::Protocol { what });
            }
        };
        Ok(Ran { output_bytes, stdin_bytes, end })
    };
    tokio::pin!(drain);
    // The command's end is the end, whether it took all of its stdin or not.
    tokio::select! {
        biased;
        ran = &mut drain => ran,
        () = feed => drain.await,
    }
}
