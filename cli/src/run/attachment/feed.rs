//! What goes to kilnd on an attachment: stdin, the terminal's size, signals.

use std::{cell::RefCell, convert::Infallible, rc::Rc};

use bytes::Bytes;
use kiln_proto::v1::{self, attach_job_request::Event};
use tokio::sync::{Notify, mpsc};

use super::super::stdin::{Kept, StdinError};
use crate::terminal;

/// Where it all comes from; it outlives each single attachment.
#[derive(Debug)]
pub(crate) struct Inputs {
    /// `None` when stdin is not passed on.
    pub(crate) stdin: Option<mpsc::Receiver<Bytes>>,
    /// At each change of the terminal's size.
    pub(crate) resized: Option<tokio::signal::unix::Signal>,
    /// Signals for the command.
    pub(crate) signals: mpsc::UnboundedReceiver<i32>,
}

/// One for all attachments of a job; clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Feed {
    shared: Rc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    kept: RefCell<Kept>,
    is_working: RefCell<bool>,
    /// `kept` or `is_working` changed.
    changed: Notify,
}

impl Feed {
    pub(super) fn begin_stream(&self) {
        self.shared.kept.borrow_mut().begin_stream();
        self.shared.is_working.replace(false);
    }

    pub(super) fn ready(&self, offset: u64) -> Result<(), StdinError> {
        self.shared.changed.notify_one();
        self.shared.kept.borrow_mut().ready(offset)
    }

    pub(super) fn taken(&self, offset: u64) -> Result<(), StdinError> {
        self.shared.changed.notify_one();
        self.shared.kept.borrow_mut().taken(offset)
    }

    /// Before the command runs there is nobody to signal.
    pub(super) fn set_working(&self, is_working: bool) {
        self.shared.changed.notify_one();
        self.shared.is_working.replace(is_working);
    }

    /// Until the attachment breaks.
    ///
    /// # Cancel safety
    /// Safe for stdin, which is kept until kilnd has taken it. A size is sent anew by the next
    /// attachment; a signal that was on its way is lost with the attachment.
    pub(super) async fn run(
        &self,
        inputs: &mut Inputs,
        requests: mpsc::Sender<v1::AttachJobRequest>,
    ) -> Infallible {
        let Inputs { stdin, resized, signals } = inputs;
        let mut size_is_due = resized.is_some();
        loop {
            let (is_ready, wants_more) = {
                let kept = self.shared.kept.borrow();
                (kept.is_ready(), kept.wants_more())
            };
            let is_working = *self.shared.is_working.borrow();
            if size_is_due && is_ready {
                size_is_due = false;
                send(&requests, Event::Resize(terminal::size())).await;
                continue;
            }
            let next = self.shared.kept.borrow_mut().next();
            if let Some(event) = next {
                send(&requests, event).await;
                continue;
            }
            tokio::select! {
                () = self.shared.changed.notified() => {}
                chunk = receive(stdin), if wants_more => self.shared.kept.borrow_mut().push(chunk),
                () = change(resized) => size_is_due = true,
                Some(signal) = signals.recv(), if is_working => {
                    send(&requests, Event::Signal(signal)).await;
                }
            }
        }
    }
}

/// Stdin that is not passed on has no end either.
async fn receive(stdin: &mut Option<mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match stdin {
        Some(stdin) => stdin.recv().await,
        None => std::future::pending().await,
    }
}

async fn change(resized: &mut Option<tokio::signal::unix::Signal>) {
    match resized {
        Some(resized) => drop(resized.recv().await),
        None => std::future::pending().await,
    }
}

async fn send(requests: &mpsc::Sender<v1::AttachJobRequest>, event: Event) {
    let request = v1::AttachJobRequest { event: Some(event) };
    if requests.send(request).await.is_err() {
        // The stream is gone; whoever reads its other half says so.
        std::future::pending::<()>().await;
    }
}
