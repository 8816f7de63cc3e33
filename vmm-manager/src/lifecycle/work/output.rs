//! From the guest to the log.

use bytes::Bytes;

use super::{command::WorkError, control::StdinReports, sink::Sink};
use crate::{
    fault::{Point, at},
    guest::{ExecEvent, ExecInput, ExecOutput},
    job::Outcome,
    lifecycle::end,
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
        sink: &mut Sink,
    ) -> Result<Outcome, WorkError> {
        loop {
            let event = tokio::select! {
                event = from_guest.next() => event?,
                () = sink.due() => {
                    sink.publish();
                    continue;
                }
            };
            match event {
                ExecEvent::Started { stdin_offset, stdin_closed, .. } => {
                    at(Point::Started);
                    // The guest has them, and this kilnd will not be asked again.
                    self.job.secrets().forget();
                    self.reports.ready(stdin_offset, stdin_closed);
                }
                ExecEvent::StdinTaken { offset } => self.reports.taken(offset),
                ExecEvent::Stdout(data) => self.append(Stream::Stdout, data, sink).await?,
                ExecEvent::Stderr(data) => self.append(Stream::Stderr, data, sink).await?,
                ExecEvent::Exited(exit) => {
                    self.job.record_memory_peak(exit.memory_peak_bytes).detach();
                    return Ok(sink.ended(&exit, self.job.spec()));
                }
                ExecEvent::Refused { reason, message } => return Ok(end::refused(reason, message)),
            }
        }
    }

    async fn append(&self, stream: Stream, data: Bytes, sink: &mut Sink) -> Result<(), WorkError> {
        sink.append(stream, data).await?;
        at(Point::Logged);
        self.input.taken(sink.end_offset());
        Ok(())
    }
}
