//! What the fake plays.

use std::time::Duration;

use bytes::Bytes;
use kiln_proto::v1;
use tonic::Status;

#[derive(Debug)]
pub(crate) struct Plan {
    /// What a job does once it is attached to, or at once when it is not.
    pub(crate) steps: Vec<Step>,
    /// How it ends when its steps are done and nobody cancelled it.
    pub(crate) end: fn(&mut v1::Job),
    /// Jobs that were there before, newest first.
    pub(crate) jobs: Vec<v1::Job>,
    /// The log of every job.
    pub(crate) log: Vec<v1::ReadLogResponse>,
    pub(crate) refuse_create: Option<Status>,
    pub(crate) refuse_attach: Option<Status>,
    pub(crate) refuse_cancel: Option<Status>,
    /// Before `CreateJob` is answered.
    pub(crate) create_delay: Duration,
    /// In the phase `boot`.
    pub(crate) boot_delay: Duration,
    /// Cancel is acknowledged and nothing happens.
    pub(crate) is_deaf: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Stdout(Bytes),
    Stderr(Bytes),
    /// So many bytes of stdout, each in a message of its own.
    Drip(usize),
    /// Stdin comes back on stdout until it is closed.
    Echo,
    Sleep(Duration),
    /// Until somebody cancels the job, or for ever.
    UntilCancelled,
    /// The attachment fails; the job ends as planned.
    Break,
    /// The attachment fails; the job goes on for ever.
    BreakAndGoOn,
    /// The attachment ends in order, without the final word.
    Hush,
    /// The daemon is gone, with all of its connections.
    Vanish,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            steps: Vec::new(),
            end: super::completed,
            jobs: Vec::new(),
            log: Vec::new(),
            refuse_create: None,
            refuse_attach: None,
            refuse_cancel: None,
            create_delay: Duration::ZERO,
            boot_delay: Duration::ZERO,
            is_deaf: false,
        }
    }
}
