//! The file systems of the kernel's own, and one way to mount anything.

use std::{ffi::CStr, io, path::Path};

use rustix::{
    fs::{CWD, Mode, OFlags, mkdirat, openat, symlink},
    io::Errno,
    mount::{MountFlags, mount, mount_move},
};

use crate::{cgroup::MOUNT_POINT, kmsg};

#[derive(Debug, thiserror::Error)]
pub(crate) enum MountError {
    #[error("{0} cannot be made")]
    Directory(String, #[source] io::Error),
    #[error("{kind} from {device} cannot be mounted on {target}")]
    Mount { kind: &'static str, device: String, target: String, source: io::Error },
    #[error("{0} cannot be moved to the new root")]
    Move(&'static str, #[source] io::Error),
    #[error("the new root cannot be entered")]
    Enter(#[source] io::Error),
}

pub(crate) const NO_PROGRAMS: MountFlags =
    MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);
const NO_DEVICES: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// What reading the kernel's command line takes.
pub(super) fn processes() -> Result<(), MountError> {
    attach("proc", "proc", "/proc", NO_PROGRAMS, c"")
}

/// What loading modules and finding disks takes.
pub(super) fn early() -> Result<(), MountError> {
    attach("devtmpfs", "devtmpfs", "/dev", MountFlags::NOSUID, c"mode=0755")?;
    kmsg::open();
    attach("sysfs", "sysfs", "/sys", NO_PROGRAMS, c"")?;
    hurry_rcu();
    Ok(())
}

/// Mounts and control groups wait for grace periods, which an idle kernel takes its time for. With a
/// guest's few processors, asking each of them costs nothing. A kernel that cannot is only slower.
fn hurry_rcu() {
    let file =
        openat(CWD, "/sys/kernel/rcu_expedited", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    let _ = file.and_then(|file| rustix::io::write(file, b"1"));
}

/// Everything else that a Linux system has mounted, below `root`.
pub(super) fn kernel(root: &str) -> Result<(), MountError> {
    let at = |path: &str| format!("{root}{path}");
    make_directory(&at("/dev"))?;
    make_directory(&at("/sys"))?;
    make_directory(&at("/proc"))?;
    mount_move("/dev", at("/dev")).map_err(|errno| MountError::Move("/dev", errno.into()))?;
    mount_move("/sys", at("/sys")).map_err(|errno| MountError::Move("/sys", errno.into()))?;
    mount_move("/proc", at("/proc")).map_err(|errno| MountError::Move("/proc", errno.into()))?;
    attach("cgroup2", "cgroup2", &at(MOUNT_POINT), NO_PROGRAMS, c"")?;
    let terminals = MountFlags::NOSUID | MountFlags::NOEXEC;
    attach("devpts", "devpts", &at("/dev/pts"), terminals, c"gid=5,mode=0620,ptmxmode=0666")?;
    attach("tmpfs", "tmpfs", &at("/dev/shm"), NO_DEVICES, c"mode=1777")?;
    attach("tmpfs", "tmpfs", &at("/run"), NO_DEVICES, c"mode=0755")?;
    // The kernel's device file system knows only devices.
    for (target, link) in [
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
    ] {
        symlink(target, at(link)).map_err(|errno| MountError::Directory(at(link), errno.into()))?;
    }
    Ok(())
}

/// Mounts a file system on a directory, which is made when it is missing.
pub(crate) fn attach(
    kind: &'static str,
    device: impl AsRef<Path>,
    target: &str,
    flags: MountFlags,
    options: &CStr,
) -> Result<(), MountError> {
    make_directory(target)?;
    let device = device.as_ref();
    mount(device, target, kind, flags, options).map_err(|errno| MountError::Mount {
        kind,
        device: device.display().to_string(),
        target: target.to_owned(),
        source: errno.into(),
    })
}

pub(crate) fn make_directory(path: &str) -> Result<(), MountError> {
    match mkdirat(CWD, path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(MountError::Directory(path.to_owned(), errno.into())),
    }
}
