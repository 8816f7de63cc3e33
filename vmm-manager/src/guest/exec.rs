//! A command that runs in a guest: what goes in, and what comes out.

mod flow;
mod output;
mod requests;
mod taken;

use std::collections::VecDeque;

use bytes::Bytes;
use kiln_proto::agent::{
    MAX_CHUNK_BYTES,
    v1::{self, exec_request::Event},
};
use tokio::sync::mpsc;

pub(super) use self::flow::Flow;
pub use self::output::ExecOutput;
use self::{
    output::Responses,
    requests::Requests,
    taken::{Taken, taken},
};
use super::{BootCommand, BuildCommand, Command, GuestError, TerminalSize, order::Order};

pub(super) const PHASE: &str = "exec";
/// Signals on their way to a guest that does not read.
const CONTROLS: usize = 16;

/// What goes into a command. Clones feed the same command.
#[derive(Clone, Debug)]
pub struct ExecInput {
    /// Overtakes what waits in `stdin`; what the connection has taken is not overtaken.
    control: mpsc::Sender<Event>,
    stdin: mpsc::Sender<Event>,
    taken: Taken,
}

/// Both sides of a command that is about to be asked for.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) input: ExecInput,
    pub(super) requests: Requests,
    pub(super) responses: Responses,
}

pub(super) fn begin(command: Command) -> Exchange {
    let order = Order::of(&command);
    exchange(order, VecDeque::from([Event::Start(command.into())]))
}

pub(super) fn begin_build(command: BuildCommand) -> Exchange {
    let order = Order::of_build(&command);
    exchange(order, command.requests())
}

pub(super) fn begin_boot(command: BootCommand) -> Exchange {
    let order = Order::of_boot(&command);
    exchange(order, VecDeque::from([Event::Boot(command.into())]))
}

fn exchange(order: Order, opening: VecDeque<Event>) -> Exchange {
    let (control, controls) = mpsc::channel(CONTROLS);
    let (stdin, chunks) = mpsc::channel(1);
    let (taken, reports) = taken();
    let flow = order.flow();
    let (requests, keep_open) = Requests::new(opening, controls, chunks, reports, flow);
    let input = ExecInput { control, stdin, taken };
    Exchange { input, requests, responses: Responses::new(order, keep_open) }
}

impl ExecInput {
    /// Goes on where the stdin ended that the agent took on earlier streams (`Started`). Waits
    /// while the guest does not take it, which is heard through the output only. An error means that the command, or this stream to it, is
    /// over.
    ///
    /// # Cancel safety
    /// Not safe: some of `bytes` may have been sent.
    pub async fn stdin(&self, mut bytes: Bytes) -> Result<(), GuestError> {
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(MAX_CHUNK_BYTES));
            send(&self.stdin, Event::Stdin(chunk)).await?;
        }
        Ok(())
    }

    /// End of file, after all that was sent before.
    pub async fn close_stdin(&self) -> Result<(), GuestError> {
        send(&self.stdin, Event::StdinClosed(v1::StdinClosed {})).await
    }

    /// To the command's own process.
    pub async fn signal(&self, number: i32) -> Result<(), GuestError> {
        send(&self.control, Event::Signal(v1::Signal { number })).await
    }

    /// SIGKILL to every process of the command.
    pub async fn kill(&self) -> Result<(), GuestError> {
        send(&self.control, Event::Kill(v1::Kill {})).await
    }

    /// Only for a command with a terminal.
    pub async fn resize(&self, size: TerminalSize) -> Result<(), GuestError> {
        send(&self.control, Event::Resize(size.into())).await
    }

    /// Output before `offset` is safe with us: the agent may forget it. Only for a command with an
    /// id. Does not wait: what could not be sent yet is replaced by what is said later.
    pub fn taken(&self, offset: u64) {
        self.taken.raise(offset);
    }
}

async fn send(channel: &mpsc::Sender<Event>, event: Event) -> Result<(), GuestError> {
    channel.send(event).await.map_err(|_| over())
}

fn over() -> GuestError {
    GuestError::Lost { phase: PHASE, cause: "the command is over".to_owned() }
}
