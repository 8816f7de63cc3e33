//! From the attached client to the command: stdin by offset, sizes and signals.
//!
//! Stdin is sent no further ahead of what the agent has taken than a window: what it holds is
//! bounded, and what kilnd itself tells it (what was taken of output, a cancelled job's signals) is
//! never stuck behind stdin that nobody reads. What the client sends goes in the client's order. A
//! client that is lost may come back and sends again what was not taken; when its time is over, the
//! command's stdin ends.

use std::convert::Infallible;

use bytes::Bytes;
use kiln_proto::agent::STDIN_WINDOW_BYTES;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    guest::ExecInput,
    job::Work,
    lifecycle::limits::PhaseLimits,
    log::Log,
    store::{Client, ClientEvent, JobHandle},
};

/// What the agent has said of the command's stdin.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    /// `None` until the command has started.
    taken: Option<u64>,
    closed: bool,
}

/// The side that hears the agent.
#[derive(Debug)]
pub(super) struct StdinReports(watch::Sender<Said>);

/// The side that sends.
#[derive(Debug)]
pub(super) struct Stdin(watch::Receiver<Said>);

pub(super) fn stdin() -> (Stdin, StdinReports) {
    let (sender, receiver) = watch::channel(Said::default());
    (Stdin(receiver), StdinReports(sender))
}

impl StdinReports {
    pub(super) fn ready(&self, offset: u64, closed: bool) {
        self.0.send_replace(Said { taken: Some(offset), closed });
    }

    pub(super) fn taken(&self, offset: u64) {
        self.0.send_modify(|said| said.taken = Some(offset));
    }
}

impl Stdin {
    /// Waits for the command's start.
    async fn ready(&mut self) -> (u64, bool) {
        match self.0.wait_for(|said| said.taken.is_some()).await.map(|said| *said) {
            Ok(Said { taken: Some(offset), closed }) => (offset, closed),
            // The command is over: nothing is taken any more.
            Ok(Said { taken: None, .. }) | Err(_) => std::future::pending().await,
        }
    }

    /// Waits until there is room for one byte behind `sent` at least, and says for how many.
    async fn room(&mut self, sent: u64) -> u64 {
        let room = |said: &Said| {
            (said.taken.unwrap_or_default() + STDIN_WINDOW_BYTES).saturating_sub(sent)
        };
        match self.0.wait_for(|said| room(said) > 0).await.map(|said| room(&said)) {
            Ok(room) => room,
            Err(_) => std::future::pending().await,
        }
    }
}

/// Serves one client after the other for as long as the command runs. Never returns; drop it.
pub(super) async fn serve(
    job: &JobHandle,
    input: &ExecInput,
    mut stdin: Stdin,
    log: &Log,
    limits: &PhaseLimits,
) -> Infallible {
    let point = job.attach_point();
    if !point.is_asked() {
        return std::future::pending().await;
    }
    let Work::Exec(exec) = &job.spec().work else { return std::future::pending().await };
    let (mut sent, mut closed) = stdin.ready().await;
    point.expect(limits.attach);
    loop {
        let back_by = Instant::now() + limits.attach;
        log.expect_until(back_by);
        let client = tokio::select! {
            client = point.arrival() => client,
            () = sleep_until(back_by) => {
                point.give_up();
                if exec.stdin && !closed {
                    // An error means that the command is over, which its output tells.
                    let _ = input.close_stdin().await;
                    closed = true;
                }
                // Somebody may still come, and read.
                point.arrival().await
            }
        };
        let wants_stdin = exec.stdin && !closed;
        (sent, closed) = attached(client, input, &mut stdin, wants_stdin, sent, closed).await;
    }
}

/// Serves one client until it goes; says how much stdin was sent by then, and whether its end was.
async fn attached(
    mut client: Client,
    input: &ExecInput,
    stdin: &mut Stdin,
    wants_stdin: bool,
    mut sent: u64,
    mut closed: bool,
) -> (u64, bool) {
    if wants_stdin {
        client.stdin_ready(sent);
    }
    let mut reports = stdin.0.clone();
    loop {
        let event = tokio::select! {
            event = client.next() => event,
            Ok(()) = reports.changed() => {
                if let Some(taken) = reports.borrow_and_update().taken {
                    client.stdin_taken(taken);
                }
                continue;
            }
        };
        let told = match event {
            None => return (sent, closed),
            Some(ClientEvent::Stdin { offset, data }) if offset == sent && !closed => {
                carry(data, input, stdin, &mut sent, &client).await
            }
            Some(ClientEvent::StdinClosed { offset }) if offset == sent && !closed => {
                closed = true;
                input.close_stdin().await
            }
            // Of a client that was replaced before all it sent was here.
            Some(ClientEvent::Stdin { .. } | ClientEvent::StdinClosed { .. }) => Ok(()),
            Some(ClientEvent::Resize(size)) => input.resize(size.into()).await,
            Some(ClientEvent::Signal(number)) => input.signal(number).await,
        };
        if told.is_err() {
            // The command is over; the client reads what is left of its log.
            return std::future::pending().await;
        }
    }
}

async fn carry(
    mut data: Bytes,
    input: &ExecInput,
    stdin: &mut Stdin,
    sent: &mut u64,
    client: &Client,
) -> Result<(), crate::guest::GuestError> {
    while !data.is_empty() {
        let room = usize::try_from(stdin.room(*sent).await).unwrap_or(usize::MAX);
        if let Some(taken) = stdin.0.borrow().taken {
            client.stdin_taken(taken);
        }
        let part = data.split_to(data.len().min(room));
        let length = part.len() as u64;
        input.stdin(part).await?;
        *sent += length;
    }
    Ok(())
}
