//! The way back to the host. Bounded: whoever has something to say waits until the host listens.

use bytes::Bytes;
use kiln_proto::agent::v1::{
    ExecExited, ExecRefused, ExecResponse, ExecStarted, exec_response::Event,
};
use tokio::sync::mpsc;
use tonic::Status;

use super::refusal::Refusal;

/// Enough to keep both pipes and the wire busy. Senders queue in order, so that each of the two
/// streams gets every other place however much the other one has to say.
const CAPACITY: usize = 2;

pub(crate) type Answer = Result<ExecResponse, Status>;

#[derive(Debug)]
pub(crate) struct Answers(mpsc::Sender<Answer>);

/// The host has closed the stream.
#[derive(Debug)]
pub(super) struct Gone;

impl Answers {
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Answer>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (Self(sender), receiver)
    }

    /// Resolves when the host has closed the stream.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }

    pub(super) async fn started(&self, pid: u32) -> Result<(), Gone> {
        self.tell(Event::Started(ExecStarted { pid })).await
    }

    pub(super) async fn output(&self, stream: Output, data: Bytes) -> Result<(), Gone> {
        self.tell(match stream {
            Output::Stdout => Event::Stdout(data),
            Output::Stderr => Event::Stderr(data),
        })
        .await
    }

    /// Last words, like all that follow: a host that is gone does not miss them.
    pub(super) async fn exited(self, exited: ExecExited) {
        let _ = self.tell(Event::Exited(exited)).await;
    }

    pub(super) async fn refuse(self, refusal: &Refusal) {
        let _ = self.tell(Event::Refused(ExecRefused::from(refusal))).await;
    }

    pub(crate) async fn fail(self, status: Status) {
        let _ = self.0.send(Err(status)).await;
    }

    async fn tell(&self, event: Event) -> Result<(), Gone> {
        self.0.send(Ok(ExecResponse { event: Some(event) })).await.map_err(|_| Gone)
    }
}

/// Which of the command's two streams.
#[derive(Clone, Copy, Debug)]
pub(super) enum Output {
    Stdout,
    Stderr,
}
