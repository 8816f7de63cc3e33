//! The way back to the host. Bounded: whoever has something to say waits until the host listens.

use kiln_proto::agent::v1::{
    BootUp, ExecExited, ExecRefused, ExecResponse, ExecStarted, OutputChunk, StdinTaken,
    exec_response::Event,
};
use tokio::sync::mpsc;
use tonic::Status;

use super::output::{Chunk, Output};

/// Enough to keep the wire busy.
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

    pub(super) async fn started(
        &self,
        pid: u32,
        stdin_offset: u64,
        stdin_closed: bool,
    ) -> Result<(), Gone> {
        self.tell(Event::Started(ExecStarted { pid, stdin_offset, stdin_closed })).await
    }

    pub(super) async fn output(&self, chunk: Chunk) -> Result<(), Gone> {
        let Chunk { output, offset, data } = chunk;
        let chunk = OutputChunk { offset, data };
        self.tell(match output {
            Output::Stdout => Event::Stdout(chunk),
            Output::Stderr => Event::Stderr(chunk),
        })
        .await
    }

    pub(super) async fn up(&self, up: BootUp) -> Result<(), Gone> {
        self.tell(Event::Up(up)).await
    }

    pub(super) async fn stdin_taken(&self, offset: u64) -> Result<(), Gone> {
        self.tell(Event::StdinTaken(StdinTaken { offset })).await
    }

    /// Last words, like all that follow: a host that is gone does not miss them.
    pub(super) async fn exited(self, exited: ExecExited) {
        let _ = self.tell(Event::Exited(exited)).await;
    }

    pub(super) async fn refused(self, refused: ExecRefused) {
        let _ = self.tell(Event::Refused(refused)).await;
    }

    pub(crate) async fn fail(self, status: Status) {
        let _ = self.0.send(Err(status)).await;
    }

    async fn tell(&self, event: Event) -> Result<(), Gone> {
        self.0.send(Ok(ExecResponse { event: Some(event) })).await.map_err(|_| Gone)
    }
}
