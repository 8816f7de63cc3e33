//! Whether a VMM runs real guests here.
//!
//! ```text
//!            /dev/kvm opens, the machine is made      the agent answers in time
//! (nothing) ──────────────────────────────────▶ boot ──────────────────────────▶ Works
//!      │ no                                      │ no     a tiny guest runs
//!      ▼                                         ├──────────────────────────────▶ NullGuestsOnly
//!  No(Hindrance): not kept                       └──────────────────────────────▶ No(Guest)
//! ```
//!
//! Opening `/dev/kvm` proves nothing, nor does a tiny guest: a nested KVM may have both and run a
//! stock kernel by interpreting it, which never comes to an end. So the real kernel and initramfs
//! are booted until the agent answers, or until the time for it is over.

mod verdicts;

use std::{
    fmt,
    fs::OpenOptions,
    io,
    time::{Duration, Instant},
};

use super::{Accelerator, Machine, VmExit, VmSpec, Vmm, VmmError, null_guest};
use crate::guest::{self, GuestError, Hello};
use crate::host::helper::helper;

pub use self::verdicts::{ProbeKey, Verdicts};

const KVM: &str = "/dev/kvm";
/// It takes milliseconds.
const NULL_LIMIT: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeVerdict {
    /// A guest's agent answered so long after its first instruction.
    Works {
        after: Duration,
    },
    /// A tiny guest runs, and a real one does not come up.
    NullGuestsOnly {
        reason: String,
    },
    No(Hindrance),
}

/// Why no guest runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// A program is missing, or is none that can be used.
    Program { reason: String },
    /// `/dev/kvm` cannot be used.
    Kvm { reason: String },
    /// No machine was made of it.
    Start { reason: String },
    /// One was made, and its guest did not come up.
    Guest { reason: String },
}

/// How long a guest may take to answer.
pub const fn probe_limit(accelerator: Accelerator) -> Duration {
    match accelerator {
        // Well under a second, on a busy host two or three.
        Accelerator::Kvm => Duration::from_secs(10),
        // Two seconds, on a busy host twenty.
        Accelerator::Tcg => Duration::from_secs(90),
    }
}

/// Boots `spec`, which is a machine as a job has it. Its directory is the caller's to remove.
///
/// # Cancel safety
/// Safe: the machine is ended with it.
pub async fn probe(vmm: &dyn Vmm, accelerator: Accelerator, spec: VmSpec) -> ProbeVerdict {
    if accelerator == Accelerator::Kvm
        && let Err(hindrance) = kvm_opens()
    {
        return ProbeVerdict::No(hindrance);
    }
    let start = |error: VmmError| {
        let reason = described(&error);
        ProbeVerdict::No(Hindrance::Start { reason })
    };
    let machine = match vmm.create(spec).await {
        Ok(machine) => machine,
        Err(error) => return start(error),
    };
    let begin = Instant::now();
    // From here on it is the accelerator's: on one that is poor enough, a VMM hangs in its first
    // instructions.
    if let Err(error) = machine.boot().await {
        machine.kill().await;
        return ProbeVerdict::No(Hindrance::Guest { reason: described(&error) });
    }
    let limit = probe_limit(accelerator);
    let greeted = tokio::time::timeout(limit, greet(machine.as_ref(), limit)).await;
    let after = begin.elapsed();
    machine.kill().await;
    let reason = match greeted {
        Ok(Ok(())) => return ProbeVerdict::Works { after },
        // Its console would say nothing of the accelerator.
        Ok(Err(GuestError::MachineExited { exit, .. })) => exit.to_string(),
        Ok(Err(error)) => described(&error),
        Err(_) => format!("no guest came up within {limit:?}"),
    };
    ProbeVerdict::No(Hindrance::Guest { reason })
}

/// Runs the null guest, whose kernel `spec` names and whose errand is to switch itself off. Its
/// directory is the caller's to remove.
///
/// # Cancel safety
/// Safe: the machine is ended with it.
pub async fn probe_null(vmm: &dyn Vmm, spec: VmSpec) -> ProbeVerdict {
    let start = |error: VmmError| {
        let reason = described(&error);
        ProbeVerdict::No(Hindrance::Start { reason })
    };
    let machine = match vmm.create(spec).await {
        Ok(machine) => machine,
        Err(error) => return start(error),
    };
    let begin = Instant::now();
    if let Err(error) = machine.boot().await {
        machine.kill().await;
        return start(error);
    }
    let ended = tokio::time::timeout(NULL_LIMIT, machine.wait()).await;
    let after = begin.elapsed();
    let serial = machine.serial().await.text();
    machine.kill().await;
    match ended {
        Ok(VmExit::PoweredOff) if serial.contains(null_guest::GREETING) => {
            ProbeVerdict::Works { after }
        }
        Ok(exit) => ProbeVerdict::No(Hindrance::Guest { reason: exit.to_string() }),
        Err(_) => {
            let reason = format!("no null guest came up within {NULL_LIMIT:?}");
            ProbeVerdict::No(Hindrance::Guest { reason })
        }
    }
}

/// Whether the device is there and may be used.
pub fn kvm_opens() -> Result<(), Hindrance> {
    let opened = OpenOptions::new().read(true).write(true).open(KVM);
    // kilnd without privileges may not, and need not: a jailed VMM has a node of its own.
    if opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        && helper().is_some()
    {
        return Ok(());
    }
    opened.map(drop).map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::NotFound => format!("there is no {KVM}"),
            _ => format!("{KVM} cannot be opened: {error}"),
        };
        Hindrance::Kvm { reason }
    })
}

async fn greet(machine: &dyn Machine, limit: Duration) -> Result<(), GuestError> {
    let connection = guest::connect(machine.vsock_socket(), limit, machine).await?;
    let secret = guest::draw_secret()?;
    let hello = Hello { hostname: "probe".to_owned(), secret, network: None, limit };
    connection.hello(hello).await.map(drop)
}

/// An error with all its causes.
pub(crate) fn described(error: &dyn std::error::Error) -> String {
    let mut description = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        description = format!("{description}: {error}");
        cause = error.source();
    }
    description
}

impl ProbeVerdict {
    pub fn works(&self) -> bool {
        matches!(self, Self::Works { .. })
    }

    /// A guest was booted for it: it holds for as long as what it rests on.
    pub fn is_of_a_boot(&self) -> bool {
        match self {
            Self::Works { .. }
            | Self::NullGuestsOnly { .. }
            | Self::No(Hindrance::Guest { .. }) => true,
            Self::No(_) => false,
        }
    }
}

impl Hindrance {
    pub fn reason(&self) -> &str {
        match self {
            Self::Program { reason }
            | Self::Kvm { reason }
            | Self::Start { reason }
            | Self::Guest { reason } => reason,
        }
    }
}

impl fmt::Display for ProbeVerdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Works { after } => {
                write!(formatter, "a guest answered after {:.1} s", after.as_secs_f64())
            }
            Self::NullGuestsOnly { reason } => write!(formatter, "null guests only: {reason}"),
            Self::No(hindrance) => formatter.write_str(hindrance.reason()),
        }
    }
}
