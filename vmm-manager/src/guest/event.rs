//! What a command does, as the agent tells it: checked and in order.

use std::time::Duration;

use bytes::Bytes;

pub(super) use crate::job::UpBy;

/// One thing that happened to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecEvent {
    /// Always the first, unless the command was refused.
    Started {
        pid: u32,
        /// How much stdin was taken on earlier streams: what is sent on this one goes on from here.
        stdin_offset: u64,
        /// Whether its end was.
        stdin_closed: bool,
    },
    /// Never empty, at most `MAX_CHUNK_BYTES`, and without a hole behind what came before, on
    /// either stream.
    Stdout(Bytes),
    /// As `Stdout`.
    Stderr(Bytes),
    /// Stdin before this offset will reach the command, whatever becomes of the stream. Never less
    /// than before, never more than was sent.
    StdinTaken { offset: u64 },
    /// Of a machine's own init, once a stream.
    Up(BootUp),
    /// The last one: the command is gone with all that it started.
    Exited(ExecExit),
    /// The only one: nothing of the command ran.
    Refused { reason: RefusalReason, message: String },
}

/// A root filesystem that was booted is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootUp {
    /// Not all of it.
    pub degraded: bool,
    pub by: UpBy,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecExit {
    pub status: ExecStatus,
    /// The kernel killed it for memory.
    pub out_of_memory: bool,
    /// The agent killed it at its time limit.
    pub timed_out: bool,
    pub memory_peak_bytes: u64,
    pub duration: Duration,
    /// A disk that had no room left while it ran.
    pub disk_full: Option<DiskFull>,
    /// Processes that outlived SIGKILL.
    pub unkillable: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecStatus {
    /// 0 to 255.
    Code(i32),
    /// 1 to 64.
    Signal(i32),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFull {
    /// Where in the guest it is mounted.
    pub mount: String,
    pub size_bytes: u64,
    /// Out of inodes rather than of blocks.
    pub inodes: bool,
}

/// Why a command was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    NotFound,
    NotExecutable,
    UnknownUser,
    BadWorkdir,
    /// The request itself was wrong: kilnd checked it before, so one of the two is at fault.
    Invalid,
    /// The agent could not do its part.
    Agent,
    /// A build that was begun before is not known there, and its parts are not here any more.
    PartsLost,
    /// The guest has not what the build asks for.
    Unsupported,
}
