//! The client's side of an attachment, for the API.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Client, ClientEvent, Shared, job_side::Said};
use crate::job::TerminalSize;

/// Chunks of at most 64 KiB in flight: bounds an attachment's memory.
const DEPTH: usize = 8;

/// One client's attachment. It lasts as long as its `reports`.
#[derive(Debug)]
pub struct Attached {
    pub input: ClientInput,
    pub reports: ClientReports,
}

/// What the client sends.
#[derive(Debug)]
pub struct ClientInput {
    events: mpsc::Sender<ClientEvent>,
    said: watch::Receiver<Said>,
    /// Behind the last byte that was sent; `None` until the job takes stdin.
    offset: Option<u64>,
}

/// What the client is told.
#[derive(Debug)]
pub struct ClientReports {
    said: watch::Receiver<Said>,
    replaced: CancellationToken,
    told: Said,
    /// Dropped with this: the client is gone.
    _guard: Guard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// Stdin is taken from this offset on. Once.
    StdinReady { offset: u64 },
    /// So much of stdin will reach the command, whatever becomes of this attachment.
    StdinTaken { offset: u64 },
    /// Another client has taken the place. The last one.
    Replaced,
    /// The job's connection to its command was lost and is made anew, so what was sent last may
    /// be lost: attach again. The last one.
    Interrupted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    #[error("the command does not take stdin yet")]
    NotReady,
    /// The command is over, or the attachment is: what is sent goes nowhere.
    #[error("nobody takes what is sent any more")]
    Over,
}

#[derive(Debug)]
struct Guard {
    shared: Arc<Shared>,
    generation: u64,
    gone: CancellationToken,
}

pub(super) fn pair(
    shared: &Arc<Shared>,
    generation: u64,
    replaced: CancellationToken,
) -> (Attached, Client) {
    let (events, from_client) = mpsc::channel(DEPTH);
    let (to_client, said) = watch::channel(Said::default());
    let gone = CancellationToken::new();
    let guard = Guard { shared: Arc::clone(shared), generation, gone: gone.clone() };
    let client = Client::new(from_client, to_client, replaced.clone(), gone);
    let input = ClientInput { events, said: said.clone(), offset: None };
    let reports = ClientReports { said, replaced, told: Said::default(), _guard: guard };
    (Attached { input, reports }, client)
}

impl ClientInput {
    /// Waits while the command takes nothing.
    ///
    /// # Cancel safety
    /// Safe: the data is sent in the moment in which this returns, or not at all.
    pub async fn stdin(&mut self, data: Bytes) -> Result<(), InputError> {
        let offset = self.offset()?;
        let length = data.len() as u64;
        self.send(ClientEvent::Stdin { offset, data }).await?;
        self.offset = Some(offset + length);
        Ok(())
    }

    /// Behind the last byte of stdin there is nothing more.
    pub async fn close_stdin(&mut self) -> Result<(), InputError> {
        let offset = self.offset()?;
        self.send(ClientEvent::StdinClosed { offset }).await
    }

    pub async fn resize(&self, size: TerminalSize) -> Result<(), InputError> {
        self.send(ClientEvent::Resize(size)).await
    }

    pub async fn signal(&self, number: i32) -> Result<(), InputError> {
        self.send(ClientEvent::Signal(number)).await
    }

    fn offset(&self) -> Result<u64, InputError> {
        self.offset.or(self.said.borrow().ready).ok_or(InputError::NotReady)
    }

    async fn send(&self, event: ClientEvent) -> Result<(), InputError> {
        self.events.send(event).await.map_err(|_| InputError::Over)
    }
}

impl ClientReports {
    /// The next thing to tell; never, when the job has nothing more to say, which its record tells.
    ///
    /// # Cancel safety
    /// Safe: a report that was not returned is returned the next time.
    pub async fn next(&mut self) -> Report {
        loop {
            let said = *self.said.borrow_and_update();
            if self.replaced.is_cancelled() {
                return Report::Replaced;
            }
            if let (Some(offset), None) = (said.ready, self.told.ready) {
                self.told.ready = Some(offset);
                return Report::StdinReady { offset };
            }
            if let Some(offset) = said.taken.filter(|_| said.taken != self.told.taken) {
                self.told.taken = Some(offset);
                return Report::StdinTaken { offset };
            }
            if said.interrupted {
                return Report::Interrupted;
            }
            tokio::select! {
                () = self.replaced.cancelled() => {}
                changed = self.said.changed() => if changed.is_err() {
                    self.replaced.cancelled().await;
                },
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.gone.cancel();
        self.shared.gone(self.generation);
    }
}
