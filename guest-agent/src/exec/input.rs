//! What the host sends to a running command.
//!
//! Requests are taken in their order, and a command that does not read its stdin stops them: that
//! is the back-pressure. So a signal waits behind stdin that was sent before it; closing the stream
//! waits behind nothing.

use std::{
    io::{self, ErrorKind},
    os::fd::{BorrowedFd, OwnedFd},
    pin::pin,
};

use bytes::Bytes;
use kiln_proto::agent::v1::{ExecRequest, Signal, exec_request::Event};
use tokio::{io::AsyncWriteExt, net::unix::pipe};
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use crate::{
    group::Group,
    kmsg,
    process::{LAST_SIGNAL, send_signal},
};

/// The agent's end of a command's stdin.
#[derive(Debug)]
pub(super) enum Stdin {
    /// The command was started without.
    None,
    Open(pipe::Sender),
    /// The command reads no more; what the host still sends goes nowhere, as with a closed pipe.
    Unread,
    /// The host has said that there is no more.
    Closed,
}

impl Stdin {
    pub(super) fn new(pipe: Option<OwnedFd>) -> io::Result<Self> {
        pipe.map_or(Ok(Self::None), |pipe| Ok(Self::Open(pipe::Sender::from_owned_fd(pipe)?)))
    }

    async fn write(&mut self, data: &Bytes) -> Result<(), Status> {
        match self {
            Self::None => Err(Status::invalid_argument("stdin for a command without stdin")),
            Self::Closed => Err(Status::invalid_argument("stdin after stdin_closed")),
            Self::Unread => Ok(()),
            Self::Open(pipe) => {
                if let Err(error) = pipe.write_all(data).await {
                    if error.kind() != ErrorKind::BrokenPipe {
                        kmsg::error(format_args!("stdin of a command cannot be written: {error}"));
                    }
                    *self = Self::Unread;
                }
                Ok(())
            }
        }
    }
}

/// Hands on what the host sends. Resolves only when the host breaks the protocol.
///
/// # Cancel safety
/// Not safe: stdin that was taken from the stream may be lost.
pub(super) async fn feed(
    requests: impl Stream<Item = Result<ExecRequest, Status>>,
    mut stdin: Stdin,
    pidfd: BorrowedFd<'_>,
    group: &dyn Group,
) -> Status {
    let mut requests = pin!(requests);
    loop {
        let request = match requests.next().await {
            Some(Ok(request)) => request,
            // Too large, or no message at all. When the host has reset the stream, this is told to
            // nobody and the command is killed all the same.
            Some(Err(status)) => return status,
            None => {
                // The host has no more to say, so there is no more stdin.
                drop(stdin);
                return std::future::pending().await;
            }
        };
        let handled = match request.event {
            Some(Event::Stdin(data)) => stdin.write(&data).await,
            Some(Event::StdinClosed(_)) => {
                stdin = Stdin::Closed;
                Ok(())
            }
            Some(Event::Signal(signal)) => deliver(pidfd, signal),
            Some(Event::Kill(_)) => {
                group.kill().map_err(|error| Status::internal(format!("kill: {error}")))
            }
            Some(Event::Start(_)) => Err(Status::invalid_argument("start stands first and once")),
            None => Err(Status::invalid_argument("a request without an event")),
        };
        if let Err(status) = handled {
            return status;
        }
    }
}

fn deliver(pidfd: BorrowedFd<'_>, signal: Signal) -> Result<(), Status> {
    if !(1..=LAST_SIGNAL).contains(&signal.number) {
        return Err(Status::invalid_argument(format!("there is no signal {}", signal.number)));
    }
    send_signal(pidfd, signal.number).map_err(|error| Status::internal(format!("signal: {error}")))
}
