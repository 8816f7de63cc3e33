//! From the guest to the log.

use bytes::Bytes;

use super::{command::WorkError, control::StdinReports, sink::Sink};
use crate::{
    fault::{Point, at},
    guest::{ExecEvent, ExecInput, ExecOutput, RefusalReason},
    job::{Outcome, Step},
    lifecycle::{boot, end, greeted::Greeted},
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
    /// In whose machine it is.
    pub(super) greeted: &'a Greeted,
    /// Of a machine that boots; known beyond the guest's last word.
    pub(super) told: &'a mut boot::Told,
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
                ExecEvent::Up(up) => self.told.came_up(self.job, boot::up(self.greeted, up)),
                ExecEvent::Exited(exit) => {
                    if boot::of(self.job).is_some() {
                        self.told.exited(self.job, &exit);
                    }
                    self.job.record_memory_peak(exit.memory_peak_bytes).detach();
                    return Ok(sink.ended(&exit, self.job.spec()));
                }
                ExecEvent::Refused { reason: RefusalReason::Invalid, message }
                    if boot::of(self.job).is_some() =>
                {
                    // What a request can get wrong is refused with it: it is the disk.
                    return Ok(end::not_bootable(Step::Work, message).into());
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
