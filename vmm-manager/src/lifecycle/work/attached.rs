//! The job's side of an attachment.

use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{guest::ExecInput, store::AttachmentEnds, stream::Stream};

/// Carries stdin in a task of its own, since a command that does not read must not hold up its
/// output. Dropping it ends the task.
#[derive(Debug)]
pub(super) struct Attached {
    output: mpsc::Sender<(Stream, Bytes)>,
    _stdin: JoinSet<()>,
}

impl Attached {
    pub(super) fn new(ends: AttachmentEnds, input: ExecInput, stdin: bool) -> Self {
        let AttachmentEnds { stdin: from_client, output } = ends;
        let mut pump = JoinSet::new();
        if stdin {
            pump.spawn(carry(from_client, input));
        }
        Self { output, _stdin: pump }
    }

    /// Waits while the client does not read; false when it is gone.
    pub(super) async fn send(&self, stream: Stream, data: Bytes) -> bool {
        self.output.send((stream, data)).await.is_ok()
    }
}

/// An error means that the command reads no more; what ended it shows in its output.
async fn carry(mut from_client: mpsc::Receiver<Bytes>, input: ExecInput) {
    while let Some(bytes) = from_client.recv().await {
        if input.stdin(bytes).await.is_err() {
            return;
        }
    }
    let _ = input.close_stdin().await;
}
