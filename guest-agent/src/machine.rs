//! A root filesystem, booted: the machine whose process 1 its init becomes.
//!
//! ```text
//! /init ─fork─▶ process 1: waits ◀───order───┐        ┌─▶ becomes the init ─▶ … ─▶ off
//!    └────────▶ @kiln-agent: its own root ─▶ Exec(boot) ─▶ disk, overlay, console ─▶ up ─▶ exit
//! ```
//!
//! A guest whose kernel is told `kiln.boot` has two processes from the start. The agent boots and
//! serves as in every guest, only that it is not process 1; process 1 does nothing until the agent
//! hands it a root and an init ([`order`]), which it becomes in a mount namespace of its own
//! ([`first`]). The agent stays outside of that root, in the guest's: nothing of the tenant's is in
//! its way, and no file of the agent's is in the tenant's. Its name begins with `@`, which inits spare
//! when they kill the rest at the end.
//!
//! *What the init finds* is what a kernel gives: a root that can be written to (the disk below, which is
//! only read, and the scratch disk above), devices on `/dev`, a console, an environment of `HOME` and
//! `TERM`, process 1 in the root of the control groups, and nothing else mounted.
//!
//! *The console* is a terminal's: what is written to `/dev/console`, by whomever, comes out of the
//! agent's end of it and is the output of the boot. The kernel's own lines are not among it.
//!
//! *Failure paths*: what can't be booted is refused with the reason, before process 1 has done anything
//! or by the error that it met; it then waits for the machine to be ended, as a process 1 that ends is a
//! panic. It does end, and says so on the console, when the agent dies before a boot. An agent that dies
//! later, by its tenant's hand, is a guest that was lost to the host, and to nobody else.

mod chosen;
mod first;
mod inside;
mod order;
mod report;
mod root;
mod up;

use std::{
    ffi::{CStr, CString, OsString},
    io::{self, Read as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use kiln_proto::agent::v1::{BootStart, exec_refused::Reason};
use rustix::fs::{CWD, Mode, OFlags, openat};

pub(crate) use self::{
    chosen::{Chosen, Kind, NoInit},
    first::{main, take_socket},
    inside::{Door, Inside},
    report::{Ending, Reports},
    root::NoRoot,
    up::{InvalidProbe, Probe, up},
};
use self::{
    order::Order,
    root::{MERGED, MERGED_PATH},
};
use crate::{
    disks::{BlockDevices, Disks as _},
    power::Power,
    process::{Failure, REPORT_BYTES, open_console, take_console},
};

/// On the kernel's command line: process 1 is to become an init.
pub(crate) const WORD: &str = "kiln.boot";
/// Of the agent, in a guest in which process 1 waits.
const ARGUMENT: &CStr = c"beside-process-1";

/// The agent's side of a machine that is to be booted.
#[derive(Debug)]
pub(crate) struct Machine {
    /// To process 1. Held for good: its other end takes its closing for the agent's death.
    socket: UnixStream,
    /// The scratch disk's own top directory.
    scratch: OwnedFd,
    power: Power,
    ordered: AtomicBool,
    inside: Arc<Inside>,
}

/// Whether this process was started to be the agent beside a process 1 that waits.
pub(crate) fn is_beside(arguments: &[OsString]) -> bool {
    matches!(arguments, [word] if word.as_encoded_bytes() == ARGUMENT.to_bytes())
}

/// What process 1 has become.
#[derive(Debug)]
pub(crate) struct Booted {
    pub(crate) kind: Kind,
    /// Of the console.
    pub(crate) master: OwnedFd,
    /// Held, so that a console which nobody has open is not one that was hung up.
    pub(crate) slave: OwnedFd,
}

/// Why nothing was booted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotBooted {
    #[error("a root filesystem was booted here before, or was to be")]
    Again,
    #[error(transparent)]
    NoRoot(#[from] NoRoot),
    #[error(transparent)]
    NoInit(#[from] NoInit),
    #[error("the console cannot be had")]
    Console(#[source] io::Error),
    #[error("process 1 cannot be spoken to")]
    First(#[source] io::Error),
    /// Process 1's own report.
    #[error("{program:?} did not become process 1")]
    Failed { program: CString, failure: Failure },
}

impl NotBooted {
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Again | Self::NoInit(NoInit::Path(_) | NoInit::Argument) => Reason::Invalid,
            Self::NoInit(NoInit::NotFound(_)) => Reason::NotFound,
            Self::NoInit(NoInit::NotExecutable { .. }) => Reason::NotExecutable,
            Self::NoRoot(why) if why.is_the_disks() => Reason::Invalid,
            Self::NoRoot(_) | Self::Console(_) | Self::First(_) | Self::Failed { .. } => {
                Reason::Agent
            }
        }
    }
}

impl Machine {
    pub(crate) fn new(socket: UnixStream, scratch: OwnedFd, power: Power) -> Self {
        let (ordered, inside) = Default::default();
        Self { socket, scratch, power, ordered, inside }
    }

    /// Where commands run from now on, once there is something.
    pub(crate) fn inside(&self) -> Arc<Inside> {
        Arc::clone(&self.inside)
    }

    /// Makes process 1 the init of what is on the disk; once in a machine's life. May block.
    pub(crate) fn boot(&self, start: &BootStart) -> Result<Booted, NotBooted> {
        if self.ordered.swap(true, Ordering::AcqRel) {
            return Err(NotBooted::Again);
        }
        let disk = BlockDevices.find(&start.disk).map_err(NoRoot::Disk)?;
        root::assemble(&disk, self.scratch.as_fd())?;
        let chosen = Chosen::find(Path::new(MERGED_PATH), &start.init)?;
        let argv = chosen.argv(&start.arguments)?;
        let (master, slave) = open_console().map_err(NotBooted::Console)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, "/", flags, Mode::empty());
        let root = root.map_err(|errno| NotBooted::First(errno.into()))?;
        take_console(slave.as_fd()).map_err(NotBooted::Console)?;
        // From here on the button is the init's.
        self.power.leave_button();
        let program = chosen.program().clone();
        let order = Order { new_root: MERGED.into(), program: program.clone(), argv };
        order.send(&self.socket, root.as_fd()).map_err(NotBooted::First)?;
        match self.answer().map_err(NotBooted::First)? {
            None => {
                self.inside.open();
                Ok(Booted { kind: chosen.kind(), master, slave })
            }
            Some(failure) => Err(NotBooted::Failed { program, failure }),
        }
    }

    /// Process 1's end closes when it becomes the init.
    fn answer(&self) -> io::Result<Option<Failure>> {
        let mut bytes = [0; REPORT_BYTES];
        let mut socket = &self.socket;
        match socket.read(&mut bytes[..1])? {
            0 => Ok(None),
            _ => {
                socket.read_exact(&mut bytes[1..])?;
                Ok(Some(Failure::decode(bytes)))
            }
        }
    }

    /// Ends the machine, whatever its init does.
    pub(crate) fn kill(&self) {
        self.power.off();
    }
}

/// As the power button would; what it does is the init's affair.
pub(crate) fn ask_to_end(kind: Kind) -> io::Result<()> {
    signal(kind.stop_signal())
}

/// To process 1. The kernel keeps from it what it has no handler for.
pub(crate) fn signal(number: i32) -> io::Result<()> {
    // SAFETY: plain integers; process 1 lives as long as the machine.
    if unsafe { libc::kill(1, number) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
