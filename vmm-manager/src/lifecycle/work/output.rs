//! From the guest to the log.

use bytes::Bytes;

use super::{command::WorkError, control::StdinReports};
use crate::{
    fault::{Point, at},
    guest::{ExecEvent, ExecInput, ExecOutput},
    job::Outcome,
    lifecycle::end,
    log::LogWriter,
    store::JobHandle,
    stream::Stream,
};

#[derive(Debug)]
pub(super) struct Delivery<'a> {
    /// Is told what the agent may forget.
    pub(super) input: ExecInput,
    /// Is told what the agent has taken of stdin.
    pub(super) reports: StdinReports,
    pub(super) job: &'a JobHandle,
}

impl Delivery<'_> {
    /// Carries output until the command is over. Waits for an attached client that does not read.
    pub(super) async fn run(
        self,
        from_guest: &mut ExecOutput,
        log: &mut LogWriter,
    ) -> Result<Outcome, WorkError> {
        loop {
            match from_guest.next().await? {
                ExecEvent::Started { stdin_offset, stdin_closed, .. } => {
                    at(Point::Started);
                    self.reports.ready(stdin_offset, stdin_closed);
                }
                ExecEvent::StdinTaken { offset } => self.reports.taken(offset),
                ExecEvent::Stdout(data) => self.append(Stream::Stdout, data, log).await?,
                ExecEvent::Stderr(data) => self.append(Stream::Stderr, data, log).await?,
                ExecEvent::Exited(exit) => {
                    self.job.record_memory_peak(exit.memory_peak_bytes).detach();
                    return Ok(end::exited(&exit, self.job.spec()));
                }
                ExecEvent::Refused { reason, message } => return Ok(end::refused(reason, message)),
            }
        }
    }

    async fn append(
        &self,
        stream: Stream,
        data: Bytes,
        log: &mut LogWriter,
    ) -> Result<(), WorkError> {
        log.append(stream, &data).await.map_err(WorkError::Log)?;
        at(Point::Logged);
        self.input.taken(log.end_offset());
        Ok(())
    }
}
