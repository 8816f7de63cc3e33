//! What the host sends to a running command.

mod queue;

use std::{io::ErrorKind, os::fd::AsFd, pin::pin, sync::Arc};

use kiln_proto::agent::{
    MAX_CHUNK_BYTES,
    v1::{self, ExecRequest, Signal, exec_request::Event},
};
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

pub(super) use self::queue::Queue;
use super::{
    pipe::Pipe,
    run::{Run, Seat},
};
use crate::{
    kmsg,
    process::{LAST_SIGNAL, TerminalSize, end_of_file},
};

/// The agent's end of a command's stdin.
#[derive(Debug)]
pub(super) enum Stdin {
    /// The command was started without.
    None,
    Pipe(Pipe),
    Terminal(Arc<Pipe>),
}

/// Gives the command what the host has sent, as fast as the command reads it. Never resolves.
pub(super) async fn write(stdin: Stdin, run: &Run) {
    let pipe = match &stdin {
        Stdin::None => return std::future::pending().await,
        Stdin::Pipe(pipe) => pipe,
        Stdin::Terminal(pipe) => pipe,
    };
    let mut last = b'\n';
    loop {
        run.until(|state| state.stdin.is_ready()).await;
        let data = run.pop_stdin(MAX_CHUNK_BYTES);
        let Some(end) = data.last() else { break };
        last = *end;
        if let Err(error) = pipe.write_all(&data).await {
            if error.kind() != ErrorKind::BrokenPipe {
                kmsg::error(format_args!("stdin of a command cannot be written: {error}"));
            }
            run.give_stdin_up();
        }
    }
    if let Stdin::Terminal(pipe) = &stdin {
        match end_of_file(pipe.as_fd(), last) {
            // A terminal that takes nothing more has nobody who reads.
            Ok(end) => drop(pipe.write_all(&end).await),
            Err(error) => {
                kmsg::error(format_args!("a terminal does not tell its end of file: {error}"));
            }
        }
    }
    drop(stdin);
    std::future::pending::<()>().await;
}

/// Hands on what the host sends. Resolves only when the host breaks the protocol.
///
/// # Cancel safety
/// What was taken from the stream and not yet handed on is lost; the stream must be over then.
pub(super) async fn feed(
    requests: impl Stream<Item = Result<ExecRequest, Status>>,
    run: &Run,
    seat: Seat,
) -> Status {
    let mut requests = pin!(requests);
    loop {
        let handled = match requests.next().await {
            Some(Ok(request)) => handle(request, run, seat).await,
            // Too large, or no message at all. When the host has reset the stream, this is told to
            // nobody.
            Some(Err(status)) => Err(status),
            None => {
                // The host has no more to say, so there is no more stdin; unless it comes back.
                if !run.is_named {
                    run.close_stdin(seat);
                }
                return std::future::pending().await;
            }
        };
        if let Err(status) = handled {
            return status;
        }
    }
}

/// A host that keeps to the window of stdin is never made to wait, so that nothing it says waits
/// behind its stdin.
async fn handle(request: ExecRequest, run: &Run, seat: Seat) -> Result<(), Status> {
    match request.event {
        Some(Event::Stdin(data)) => {
            run.until(|state| state.stdin.has_room()).await;
            run.take_stdin(seat, &data)
        }
        Some(Event::StdinClosed(_)) => {
            run.close_stdin(seat);
            Ok(())
        }
        Some(Event::Signal(signal)) => deliver(run, signal),
        Some(Event::Kill(_)) => {
            run.kill().map_err(|error| Status::internal(format!("kill: {error}")))
        }
        Some(Event::Resize(size)) => resize(run, size),
        Some(Event::Taken(taken)) => run.taken(seat, taken.offset),
        Some(Event::Start(_) | Event::Build(_) | Event::Boot(_) | Event::Part(_)) => {
            Err(Status::invalid_argument("start stands first and once"))
        }
        None => Err(Status::invalid_argument("a request without an event")),
    }
}

fn deliver(run: &Run, signal: Signal) -> Result<(), Status> {
    if !(1..=LAST_SIGNAL).contains(&signal.number) {
        return Err(Status::invalid_argument(format!("there is no signal {}", signal.number)));
    }
    run.signal(signal.number).map_err(|error| Status::internal(format!("signal: {error}")))
}

fn resize(run: &Run, size: v1::TerminalSize) -> Result<(), Status> {
    let size = TerminalSize::try_from(size)
        .map_err(|invalid| Status::invalid_argument(invalid.to_string()))?;
    if !run.has_terminal {
        return Err(Status::invalid_argument("resize for a command without a terminal"));
    }
    run.resize(size).map_err(|error| Status::internal(format!("resize: {error}")))
}
