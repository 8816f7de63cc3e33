//! From the guest to the log and the attachment.

use std::{io, time::Duration};

use bytes::Bytes;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::attached::Attached;
use crate::{
    guest::{ExecEvent, ExecOutput, GuestError},
    job::Outcome,
    lifecycle::end,
    log::LogWriter,
    store::JobHandle,
    stream::Stream,
};

/// What a client may take over one chunk of a job that is to end.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) enum WorkError {
    Guest(GuestError),
    Log(io::Error),
}

impl From<GuestError> for WorkError {
    fn from(error: GuestError) -> Self {
        Self::Guest(error)
    }
}

#[derive(Debug)]
pub(super) struct Delivery {
    /// `None` when there never was a client, or it is gone, or it must not be waited for.
    attached: Option<Attached>,
    detach: CancellationToken,
}

impl Delivery {
    pub(super) fn new(attached: Option<Attached>) -> Self {
        Self { attached, detach: CancellationToken::new() }
    }

    /// Cancelling it lets go of a client that is waited for in vain, from now on or already; one
    /// that reads gets the command's last words.
    pub(super) fn detacher(&self) -> CancellationToken {
        self.detach.clone()
    }

    /// Carries output until the command has ended.
    pub(super) async fn run(
        mut self,
        from_guest: &mut ExecOutput,
        log: &mut LogWriter,
        job: &JobHandle,
    ) -> Result<Outcome, WorkError> {
        loop {
            match from_guest.next().await? {
                ExecEvent::Started { .. } => {}
                ExecEvent::Stdout(data) => self.deliver(Stream::Stdout, data, log).await?,
                ExecEvent::Stderr(data) => self.deliver(Stream::Stderr, data, log).await?,
                ExecEvent::Exited(exit) => {
                    job.record_memory_peak(exit.memory_peak_bytes);
                    return Ok(end::exited(&exit, job.spec()));
                }
                ExecEvent::Refused { reason, message } => return Ok(end::refused(reason, message)),
            }
        }
    }

    async fn deliver(
        &mut self,
        stream: Stream,
        data: Bytes,
        log: &mut LogWriter,
    ) -> Result<(), WorkError> {
        log.append(stream, &data).await.map_err(WorkError::Log)?;
        let Some(attached) = &self.attached else { return Ok(()) };
        let patience = async {
            self.detach.cancelled().await;
            sleep(PATIENCE).await;
        };
        let reads_on = tokio::select! {
            biased;
            sent = attached.send(stream, data) => sent,
            () = patience => false,
        };
        if !reads_on {
            self.attached = None;
        }
        Ok(())
    }
}
