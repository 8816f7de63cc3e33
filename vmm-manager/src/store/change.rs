//! What may become of a job, and what may not: the one place where that is decided. Pure.
//!
//! ```text
//!                    ┌──────────── Requeue, unless started ─────────────┐
//!                    ▼                                                  │
//!                 Queued ── BeginAttempt ──▶ Running ── Started ──▶ Running, started
//!                    │                          │                       │ Exit
//!                    │                          │                       ▼
//!                    │                          │              Running, command over
//!                    └───────── End ────────────┴──────── End ──────────┘
//!                                    ▼
//!                                 Ended ── Released ──▶ Ended, released
//! ```
//!
//! Nothing leaves `Ended`: a second end is the first one's echo and changes nothing.

use std::{sync::Arc, time::SystemTime};

use kiln_net::record::EgressRecord;

use super::{
    CancelReason,
    recovery::{GuestSecret, Recovery},
};
use crate::{
    build::BuildRecord,
    job::{
        BootRecord, CommandEnd, Job, MachineRecord, Outcome, OutputRecord, Phase, PhaseTime,
        RootfsRecord, State, Step, Usage,
    },
    log::LogSummary,
    registry::RegistryRecord,
};

/// A job as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) job: Job,
    pub(super) recovery: Recovery,
    /// Its place in the order in which jobs came.
    pub(super) order: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    BeginAttempt,
    BeginPhase(Phase),
    BeginStep(Step),
    Machine(Box<MachineRecord>),
    Usage(Usage),
    MemoryPeak(u64),
    Egress(Arc<EgressRecord>),
    Registry(Arc<RegistryRecord>),
    Build(Arc<BuildRecord>),
    Rootfs(Arc<RootfsRecord>),
    Boot(Arc<BootRecord>),
    Outputs(Vec<OutputRecord>),
    /// The bytes of these outputs have been removed.
    OutputsExpired,
    Started,
    Exit(CommandEnd),
    End {
        outcome: Outcome,
        log: LogSummary,
    },
    Released,
    /// With the secret of the next attempt's guest.
    Requeue(GuestSecret),
    Number(u32),
    Cancel(CancelReason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {standing} cannot {change}")]
pub struct IllegalTransition {
    /// What it would have done.
    pub change: &'static str,
    pub standing: &'static str,
}

impl Change {
    fn name(&self) -> &'static str {
        match self {
            Self::BeginAttempt => "begin an attempt",
            Self::BeginPhase(_) => "begin a phase",
            Self::BeginStep(_) => "begin a step",
            Self::Machine(_) => "get a machine",
            Self::Usage(_) => "use anything",
            Self::MemoryPeak(_) => "have a memory peak",
            Self::Egress(_) => "have used a network",
            Self::Registry(_) => "have used a registry",
            Self::Build(_) => "have been built",
            Self::Rootfs(_) => "have been made a root filesystem",
            Self::Boot(_) => "have been booted",
            Self::Outputs(_) => "get outputs",
            Self::OutputsExpired => "lose its outputs",
            Self::Started => "start its command",
            Self::Exit(_) => "have its command end",
            Self::End { .. } => "end so",
            Self::Released => "be released",
            Self::Requeue(_) => "be queued again",
            Self::Number(_) => "lease a number",
            Self::Cancel(_) => "be cancelled",
        }
    }
}

impl Record {
    /// After an error nothing has changed.
    pub(super) fn apply(
        &mut self,
        change: Change,
        now: SystemTime,
    ) -> Result<(), IllegalTransition> {
        let name = change.name();
        let illegal = |standing| Err(IllegalTransition { change: name, standing });
        let Self { job, recovery, order: _ } = self;
        let standing = Standing::of(job, recovery);
        match (change, standing) {
            (Change::BeginAttempt, Standing::Queued) => {
                close_step(job, now);
                job.state = State::Running { phase: Phase::Preparing, started_at: now };
            }
            (Change::BeginPhase(next), running) if running.is_running() => {
                if let State::Running { phase, .. } = &mut job.state {
                    *phase = next;
                }
            }
            (Change::BeginStep(step), standing) if !standing.has_ended() => {
                begin_step(job, step, now);
            }
            (Change::Machine(machine), running) if running.is_running() => {
                job.machine = Some(*machine);
            }
            // Peaks are read when the machine goes, which may be behind the job's end.
            (Change::Usage(usage), running) if running.holds() => job.usage = usage,
            (Change::MemoryPeak(bytes), running) if running.holds() => {
                job.memory_peak_bytes = Some(bytes);
            }
            (Change::Egress(egress), running) if running.holds() => job.egress = Some(egress),
            (Change::Registry(record), running) if running.holds() => job.registry = Some(record),
            (Change::Build(record), running) if running.holds() => job.build = Some(record),
            (Change::Rootfs(record), running) if running.holds() => job.rootfs = Some(record),
            (Change::Boot(record), running) if running.holds() => job.boot = Some(record),
            (Change::Outputs(outputs), Standing::CommandOver) => job.outputs = outputs,
            (Change::OutputsExpired, standing) if standing.has_ended() => {
                job.outputs.iter_mut().for_each(|output| output.expired = true);
            }
            (Change::Started, Standing::Running) => recovery.started = true,
            (Change::Exit(exit), Standing::Started) => recovery.exit = Some(exit),
            // What was never started has completed nothing.
            (
                Change::End { outcome: Outcome::Completed, .. },
                Standing::Queued | Standing::Running,
            ) => return illegal(standing.name()),
            (Change::End { outcome, log }, standing) if !standing.has_ended() => {
                let started_at = match job.state {
                    State::Running { started_at, .. } => Some(started_at),
                    State::Queued | State::Ended { .. } => None,
                };
                close_step(job, now);
                job.log = log;
                job.place = None;
                job.state = State::Ended { outcome, started_at, ended_at: now };
            }
            (Change::Released, Standing::Ended) => {
                recovery.released = true;
                recovery.number = None;
            }
            (Change::Requeue(guest_secret), Standing::Running) => {
                begin_step(job, Step::Queue, now);
                job.state = State::Queued;
                job.attempt = job.attempt.saturating_add(1);
                job.machine = None;
                job.egress = None;
                job.registry = None;
                job.build = None;
                job.rootfs = None;
                job.boot = None;
                recovery.guest_secret = guest_secret;
                recovery.number = None;
            }
            // Another one only for another machine, which comes behind the command's.
            (Change::Number(number), running)
                if running.is_running()
                    && (running == Standing::CommandOver
                        || recovery.number.is_none_or(|held| held == number)) =>
            {
                recovery.number = Some(number);
            }
            (Change::Cancel(reason), standing) if !standing.has_ended() => {
                recovery.cancel.get_or_insert(reason);
            }
            // What has happened already.
            (Change::End { .. } | Change::Cancel(_), Standing::Ended | Standing::Released)
            | (Change::Released, Standing::Released) => {}
            (_, standing) => return illegal(standing.name()),
        }
        Ok(())
    }
}

fn begin_step(job: &mut Job, step: Step, now: SystemTime) {
    close_step(job, now);
    job.phases.push(PhaseTime { step, started_at: now, duration: None });
}

fn close_step(job: &mut Job, now: SystemTime) {
    if let Some(open) = job.phases.last_mut().filter(|step| step.duration.is_none()) {
        open.duration = Some(now.duration_since(open.started_at).unwrap_or_default());
    }
}

/// Where a job stands, as far as rules go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Queued,
    /// And not started.
    Running,
    Started,
    CommandOver,
    Ended,
    Released,
}

impl Standing {
    fn of(job: &Job, recovery: &Recovery) -> Self {
        match &job.state {
            State::Queued => Self::Queued,
            State::Running { .. } if recovery.exit.is_some() => Self::CommandOver,
            State::Running { .. } if recovery.started => Self::Started,
            State::Running { .. } => Self::Running,
            State::Ended { .. } if recovery.released => Self::Released,
            State::Ended { .. } => Self::Ended,
        }
    }

    fn is_running(self) -> bool {
        matches!(self, Self::Running | Self::Started | Self::CommandOver)
    }

    fn has_ended(self) -> bool {
        matches!(self, Self::Ended | Self::Released)
    }

    /// Something of the host.
    fn holds(self) -> bool {
        self.is_running() || self == Self::Ended
    }

    fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running and not started",
            Self::Started => "running and started",
            Self::CommandOver => "running with its command over",
            Self::Ended => "ended",
            Self::Released => "released",
        }
    }
}

#[cfg(test)]
mod tests;
