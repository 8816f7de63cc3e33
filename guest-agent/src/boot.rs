//! From an initramfs with nothing mounted to the guest's root.
//!
//! ```text
//! devices ─▶ modules ─▶ listen ─▶ disks ─▶ root ─▶ links ─▶ control groups ─▶ loopback
//! ```
//!
//! *Happy path*: as fast as it goes; the host waits for every millisecond. The vsock port is opened as
//! soon as its modules are there: the kernel takes the host's connection and its hello while the
//! root is still being put together, and the answer comes when it is ready.
//! *Failure path*: any step ends the boot with an error that names what is missing, on the
//! console, and the guest powers off. Nothing is repaired and nothing waits without a limit.

mod loopback;
mod modules;
mod mounts;
mod root;

use std::{fs, io, os::fd::OwnedFd};

use tokio_vsock::VsockListener;

use self::{loopback::bring_up, root::RootError};
pub(crate) use self::{
    modules::{ModuleError, Modules, load_on_demand},
    mounts::{MountError, NO_PROGRAMS, attach, make_directory},
};
use crate::{
    cgroup::Hierarchy,
    disk_watch::Look,
    disks::{self, BlockDevices, Disks, NoDisk},
    milestones::Milestones,
    server,
};

/// What the boot leaves to the agent.
pub(crate) struct Booted {
    pub(crate) listener: VsockListener,
    pub(crate) hierarchy: Hierarchy,
    /// At the scratch disk.
    pub(crate) look: Look,
    /// Its own top directory.
    pub(crate) scratch: OwnedFd,
    /// Those that can wait.
    pub(crate) modules: Modules,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BootError {
    #[error("the kernel's command line cannot be read")]
    Words(#[source] io::Error),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error(transparent)]
    Module(#[from] ModuleError),
    #[error("vsock cannot be listened on (are its modules in /modules/order?)")]
    Listen(#[source] io::Error),
    #[error(transparent)]
    Disk(#[from] NoDisk),
    #[error(transparent)]
    Root(#[from] RootError),
    #[error("the scratch disk cannot be watched")]
    Scratch(#[source] io::Error),
    #[error("the disks cannot be linked by their serial numbers")]
    Links(#[source] io::Error),
    #[error("the control groups cannot be arranged")]
    Groups(#[source] io::Error),
    #[error("the loopback interface cannot be brought up")]
    Loopback(#[source] io::Error),
    #[error("the limits of processes cannot be set")]
    Limits(#[source] io::Error),
}

/// Whether the kernel was told this word. Before anything else: what it takes is mounted for it, and
/// stays for [`boot`].
pub(crate) fn is_told(word: &str) -> Result<bool, BootError> {
    mounts::processes()?;
    let words = fs::read("/proc/cmdline").map_err(BootError::Words)?;
    Ok(words.split(u8::is_ascii_whitespace).any(|told| told == word.as_bytes()))
}

/// After [`is_told`]; by whom does not matter. Needs the runtime's context, for the listener.
pub(crate) fn boot(milestones: &mut Milestones) -> Result<Booted, BootError> {
    mounts::early()?;
    let modules = Modules::load()?;
    milestones.reach("modules");
    let listener = server::listen().map_err(BootError::Listen)?;
    milestones.reach("vsock");
    let root_disk = BlockDevices.find("kiln-root")?;
    let scratch_disk = BlockDevices.find("kiln-scratch")?;
    milestones.reach("disks");
    let scratch = root::assemble(&root_disk, &scratch_disk)?;
    milestones.reach("root");
    disks::link_all().map_err(BootError::Links)?;
    let hierarchy = Hierarchy::arrange().map_err(BootError::Groups)?;
    milestones.reach("cgroups");
    bring_up().map_err(BootError::Loopback)?;
    raise_limits().map_err(BootError::Limits)?;
    let looked_at = scratch.try_clone().map_err(BootError::Scratch)?;
    let look = Box::new(move || rustix::fs::fstatfs(&looked_at));
    Ok(Booted { listener, hierarchy, look, scratch, modules })
}

/// What processes inherit: the kernel's own limits date from when files were few. The soft limit
/// stays, as programs with `select` and programs that close all they could have open rely on it.
fn raise_limits() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let files = Rlimit { current: Some(1024), maximum: Some(512 * 1024) };
    Ok(setrlimit(Resource::Nofile, files)?)
}
