//! The guest's root: the golden image below, the scratch disk above, and the agent in it.
//!
//! The initramfs cannot be unmounted, so the new root is moved over it and the agent changes its
//! own root. It stays the process that the kernel has started: no second program is loaded.

use std::{ffi::CString, io, os::fd::OwnedFd, path::Path};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, fchmod, fstat, openat, unlinkat},
    io::Errno,
    mount::{MountFlags, mount_move},
    process::{chdir, chroot},
};

use super::mounts::{self, MountError, attach, make_directory};

const LOWER: &str = "/lower";
const SCRATCH: &str = "/scratch";
const MERGED: &str = "/merged";

/// The scratch disk is thrown away with the VM: nothing on it has to survive a crash, so writes
/// need no barriers; the host's file is sparse, so inode tables need no zeroes and freed blocks no
/// discard.
const SCRATCH_OPTIONS: &str = "nobarrier,noinit_itable,nodiscard";
/// `volatile` makes each sync of the overlay a no-op. `redirect_dir` lets directories of the lower
/// layer be renamed as anywhere else.
const OVERLAY_OPTIONS: &str = "volatile,redirect_dir=on,index=off,metacopy=off";

#[derive(Debug, thiserror::Error)]
pub(crate) enum RootError {
    #[error("the root disk (kiln-root) has no usable root file system")]
    Golden(#[source] MountError),
    #[error("the scratch disk (kiln-scratch) has no usable file system")]
    Scratch(#[source] MountError),
    #[error("the root and scratch disks cannot be put together")]
    Overlay(#[source] MountError),
    #[error("{0} of the root disk is no directory that can be used")]
    Directory(&'static str, #[source] io::Error),
}

/// Makes it the root of this process and of all to come; the scratch disk's own top directory, out
/// of their reach, is returned.
pub(super) fn assemble(root_disk: &Path, scratch_disk: &Path) -> Result<OwnedFd, RootError> {
    attach("ext4", root_disk, LOWER, MountFlags::RDONLY | MountFlags::NOATIME, c"")
        .map_err(RootError::Golden)?;
    let scratch = mount_scratch(scratch_disk).map_err(RootError::Scratch)?;
    let options = format!(
        "lowerdir={LOWER},upperdir={SCRATCH}/upper,workdir={SCRATCH}/work,{OVERLAY_OPTIONS}"
    );
    attach("overlay", "overlay", MERGED, MountFlags::NOATIME, &c_string(options))
        .map_err(RootError::Overlay)?;
    mounts::kernel(MERGED).map_err(RootError::Golden)?;
    enter().map_err(|errno| RootError::Overlay(MountError::Enter(errno.into())))?;
    make_sticky("/tmp")?;
    make_sticky("/var/tmp")?;
    // Without a network there is no resolver, and what the image was built with is not ours.
    match unlinkat(CWD, "/etc/resolv.conf", AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(scratch),
        Err(errno) => Err(RootError::Directory("/etc", errno.into())),
    }
}

fn mount_scratch(disk: &Path) -> Result<OwnedFd, MountError> {
    attach("ext4", disk, SCRATCH, MountFlags::NOATIME, &c_string(SCRATCH_OPTIONS.to_owned()))?;
    make_directory(&format!("{SCRATCH}/upper"))?;
    make_directory(&format!("{SCRATCH}/work"))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, SCRATCH, flags, Mode::empty())
        .map_err(|errno| MountError::Directory(SCRATCH.to_owned(), errno.into()))
}

fn enter() -> Result<(), Errno> {
    chdir(MERGED)?;
    mount_move(".", "/")?;
    chroot(".")?;
    chdir("/")
}

/// A directory in which everybody may write and nobody may remove what is another's.
fn make_sticky(path: &'static str) -> Result<(), RootError> {
    let failed = |errno: Errno| RootError::Directory(path, errno.into());
    make_directory(path).map_err(RootError::Golden)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(CWD, path, flags, Mode::empty()).map_err(failed)?;
    let mode = Mode::from_raw_mode(0o1777);
    let now = fstat(&directory).map_err(failed)?.st_mode;
    if now == FileType::Directory.as_raw_mode() | mode.as_raw_mode() {
        return Ok(());
    }
    fchmod(&directory, mode).map_err(failed)
}

/// Options are ours, and without NUL bytes.
fn c_string(text: String) -> CString {
    CString::new(text).unwrap_or_default()
}
