//! From an initramfs with nothing mounted to the guest's root.
//!
//! ```text
//! devices ─▶ modules ─▶ listen ─▶ disks ─▶ root ─▶ control groups ─▶ loopback
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

use std::io;

use tokio_vsock::VsockListener;

use self::{loopback::bring_up, root::RootError};
pub(crate) use self::{
    modules::{ModuleError, Modules, load_on_demand},
    mounts::{MountError, NO_PROGRAMS, attach},
};
use crate::{
    cgroup::Hierarchy,
    disk_watch::Look,
    disks::{BlockDevices, Disks, NoDisk},
    milestones::Milestones,
    server,
};

/// What the boot leaves to the agent.
pub(crate) struct Booted {
    pub(crate) listener: VsockListener,
    pub(crate) hierarchy: Hierarchy,
    /// At the scratch disk.
    pub(crate) look: Look,
    /// Those that can wait.
    pub(crate) modules: Modules,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BootError {
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
    #[error("the control groups cannot be arranged")]
    Groups(#[source] io::Error),
    #[error("the loopback interface cannot be brought up")]
    Loopback(#[source] io::Error),
    #[error("the limits of processes cannot be set")]
    Limits(#[source] io::Error),
}

/// Needs the runtime's context, for the listener.
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
    let hierarchy = Hierarchy::arrange().map_err(BootError::Groups)?;
    milestones.reach("cgroups");
    bring_up().map_err(BootError::Loopback)?;
    raise_limits().map_err(BootError::Limits)?;
    let look = Box::new(move || rustix::fs::fstatfs(&scratch));
    Ok(Booted { listener, hierarchy, look, modules })
}

/// What processes inherit: the kernel's own limits date from when files were few. The soft limit
/// stays, as programs with `select` and programs that close all they could have open rely on it.
fn raise_limits() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let files = Rlimit { current: Some(1024), maximum: Some(512 * 1024) };
    Ok(setrlimit(Resource::Nofile, files)?)
}
