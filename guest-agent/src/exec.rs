//! Runs one command from its request to its end.
//!
//! ```text
//! ExecStart ──▶ Command ──▶ Born ─────▶ Running ────────────▶ kill ──▶ drain ──▶ exited
//!     │            │          │            │ exit, timeout,     ▲
//!     ▼            ▼          ▼            ▼ the host is gone   │
//!  invalid     no such user  no program   └────────────────────┘
//! ```
//!
//! *Happy path*: the request is checked; a thread looks up the user, makes a group and gives birth to
//! the child in it; the child becomes its program; output flows until the main process ends; what
//! it left behind is killed; the pipes are drained to their end; the result is told.
//! *Failure paths*: the child reports why it could not become its program, and the command is refused.
//! The host closes the stream or breaks the protocol: the group is killed. A process outlives
//! SIGKILL, stuck in the kernel: after [`end::KILL_LIMIT`] the result is told without it, its pipes
//! are given up, and it goes with the VM.
//!
//! Everything between is bounded: one chunk per pipe and a few answers are all the memory that a
//! command's output takes; a slow host slows the command down.

mod answers;
mod born;
mod end;
mod input;
mod output;
mod program;
mod refusal;
mod running;

use std::{io, path::Path, sync::Arc};

use kiln_proto::agent::v1::{ExecRequest, ExecStart};
use tokio_stream::Stream;
use tonic::Status;

pub(crate) use self::answers::{Answer, Answers};
use self::{born::Born, refusal::Refusal, running::Running};
use crate::{
    command::Command, disk_watch::DiskWatch, group::Groups, offload::offload, reaper::Reaper,
};

/// What commands run on.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) reaper: Arc<Reaper>,
    pub(crate) groups: Arc<dyn Groups>,
    pub(crate) disk_watch: DiskWatch,
}

impl Engine {
    /// Runs the command and tells everything about it through `answers`.
    pub(crate) async fn run(
        self,
        start: ExecStart,
        requests: impl Stream<Item = Result<ExecRequest, Status>>,
        answers: Answers,
    ) {
        let watching = self.disk_watch.watch();
        match self.start(start).await {
            Ok(running) => running.run(requests, answers, watching).await,
            Err(refusal) => answers.refuse(&refusal).await,
        }
    }

    async fn start(self, start: ExecStart) -> Result<Running, Refusal> {
        let command = Arc::new(Command::try_from(start)?);
        let asked = Arc::clone(&command);
        // Always awaited, even when the host is gone: what is born has to be buried.
        let born = offload("exec", move || {
            Born::give_birth(&asked, Path::new("/etc"), &self.reaper, &*self.groups)
        })
        .await
        .map_err(agent("start a thread"))??;
        Running::new(born, &command).map_err(agent("watch the command's pipes"))
    }
}

fn agent(what: &'static str) -> impl FnOnce(io::Error) -> Refusal {
    move |source| Refusal::Agent { what, source }
}

#[cfg(test)]
mod tests;
