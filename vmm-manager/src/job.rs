//! A job: what was asked, how far it is, how it ended.
//!
//! ```text
//! Queued ──▶ Running(Preparing ─▶ Building) ──▶ Ended(Completed | Failed | Cancelled | Timeout)
//!    └───────────────────────────────────────────▲   cancelled in the queue
//! ```

mod failure;
mod id;
mod outcome;
mod record;
mod spec;

pub use self::{
    failure::{Failure, FailureClass},
    id::{InvalidJobId, JobId},
    outcome::{ExitStatus, Outcome},
    record::{Job, MachineRecord, Phase, PhaseTime, State},
    spec::{Exec, JobSpec, Owner, Work},
};
