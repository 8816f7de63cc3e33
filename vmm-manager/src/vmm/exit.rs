//! What ended a machine.

use std::fmt;

/// Why a machine is no more: told by its VMM's last words and the true status of its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VmExit {
    /// The guest switched itself off.
    PoweredOff,
    /// The guest asked for a reset, which is an end: a panicking kernel does (`panic=-1`).
    Reset,
    /// The host ended it: shut down or killed by us.
    Stopped,
    /// The VMM was killed by a signal that we did not send: SIGKILL is how the kernel's
    /// out-of-memory killer does it.
    Killed { signal: i32, stderr: String },
    /// The VMM gave up by itself.
    Failed { code: i32, stderr: String },
    /// The vsock bridge died, and the rest of the machine was ended: nothing could be said to
    /// the guest any more.
    BridgeLost { cause: String },
    /// The gateway of the machine's network died, and the rest of the machine was ended: its guest
    /// could reach nothing any more, and nothing that it tried would be known.
    GatewayLost { cause: String },
    /// The kernel killed a process of the machine, because all of them together were about to take
    /// more memory than the machine's cgroup may have.
    OutOfMemory { limit_bytes: u64 },
    /// The supervisor died, and its processes with it: how they ended is not known.
    SupervisorLost,
}

impl VmExit {
    /// The end that a guest brings about when all is well.
    pub fn is_power_off(&self) -> bool {
        matches!(self, Self::PoweredOff)
    }
}

impl fmt::Display for VmExit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PoweredOff => formatter.write_str("the guest powered itself off"),
            Self::Reset => {
                formatter.write_str("the guest reset itself, as a panicking kernel does")
            }
            Self::Stopped => formatter.write_str("it was stopped by the host"),
            Self::Killed { signal, stderr } => {
                write!(formatter, "its VMM was killed by signal {signal}")?;
                said(formatter, stderr)
            }
            Self::Failed { code, stderr } => {
                write!(formatter, "its VMM exited with code {code}")?;
                said(formatter, stderr)
            }
            Self::BridgeLost { cause } => write!(formatter, "its vsock bridge {cause}"),
            Self::GatewayLost { cause } => write!(formatter, "its network's gateway {cause}"),
            Self::OutOfMemory { limit_bytes } => {
                let mebibytes = limit_bytes >> 20;
                write!(formatter, "its VMM was killed at its memory limit of {mebibytes} MiB")
            }
            Self::SupervisorLost => {
                formatter.write_str("its supervisor died, and the machine with it")
            }
        }
    }
}

fn said(formatter: &mut fmt::Formatter<'_>, stderr: &str) -> fmt::Result {
    if stderr.is_empty() { Ok(()) } else { write!(formatter, ": {stderr}") }
}
