//! The root that is booted: the disk's file system below, a directory of the scratch disk above.
//!
//! The disk is not written to, not even by the journal of its file system: one that was not unmounted
//! in order is refused, as what can't be replayed may be half of something. `nosuid` and the like are
//! not set: it is the tenant's own machine.

use std::{
    ffi::CString,
    fs::File,
    io::{self, Write as _},
    os::fd::{AsRawFd as _, BorrowedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{
        AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, fchmod, mkdirat, openat,
        openat2, stat, unlinkat,
    },
    io::Errno,
    mount::MountFlags,
};

use crate::{
    boot::{MountError, attach},
    disks::NoDisk,
};

const PLACE: &str = "/run/kiln-boot";
const LOWER: &str = "/run/kiln-boot/lower";
pub(super) const MERGED_PATH: &str = "/run/kiln-boot/root";
pub(super) const MERGED: &std::ffi::CStr = c"/run/kiln-boot/root";
/// On the scratch disk, beside what the guest's own root has there.
const OWN: &str = "boot";
const RESOLVER: &str = "/etc/resolv.conf";
/// See `boot::root`.
const OVERLAY_OPTIONS: &str = "volatile,redirect_dir=on,index=off,metacopy=off";

#[derive(Debug, thiserror::Error)]
pub(crate) enum NoRoot {
    #[error(transparent)]
    Disk(#[from] NoDisk),
    #[error("{disk} was not unmounted in order: run e2fsck on it first")]
    Dirty { disk: PathBuf },
    #[error("{disk} has no ext4 file system that can be mounted")]
    Unusable { disk: PathBuf, source: MountError },
    #[error("the scratch disk cannot be put above it")]
    Overlay(#[from] MountError),
    #[error("its network's resolver cannot be written")]
    Resolver(#[source] io::Error),
    #[error("the scratch disk has no place for what is written")]
    Scratch(#[source] io::Error),
}

impl NoRoot {
    /// Whether another disk would do.
    pub(crate) fn is_the_disks(&self) -> bool {
        match self {
            Self::Dirty { .. } | Self::Unusable { .. } => true,
            // The image's own name is a directory, or its `/etc` a link that leads round.
            Self::Resolver(cause) => {
                let errno = Errno::from_io_error(cause);
                errno.is_some_and(|errno| errno == Errno::ISDIR || errno == Errno::LOOP)
            }
            Self::Disk(_) | Self::Overlay(_) | Self::Scratch(_) => false,
        }
    }
}

/// Puts it together at [`MERGED`].
pub(super) fn assemble(disk: &Path, scratch: BorrowedFd<'_>) -> Result<(), NoRoot> {
    crate::boot::make_directory(PLACE)?;
    attach("ext4", disk, LOWER, MountFlags::RDONLY, c"").map_err(|source| {
        let disk = disk.to_path_buf();
        match &source {
            // A journal with something in it wants to be written to the disk.
            MountError::Mount { source: cause, .. }
                if Errno::from_io_error(cause) == Some(Errno::ROFS) =>
            {
                NoRoot::Dirty { disk }
            }
            _ => NoRoot::Unusable { disk, source },
        }
    })?;
    make_upper(scratch).map_err(|errno| NoRoot::Scratch(errno.into()))?;
    // The disk is mounted out of everybody's sight: its directory is named by our descriptor.
    let own = format!("/proc/self/fd/{}/{OWN}", scratch.as_raw_fd());
    let options =
        format!("lowerdir={LOWER},upperdir={own}/upper,workdir={own}/work,{OVERLAY_OPTIONS}");
    let options = CString::new(options).unwrap_or_default();
    attach("overlay", "overlay", MERGED_PATH, MountFlags::empty(), &options)?;
    bring_resolver().map_err(NoRoot::Resolver)
}

/// A guest with a network has its resolver's name in the agent's root: the machine has the same network,
/// and as in a container the image's own file gives way. One without has none, and the image's stays.
fn bring_resolver() -> io::Result<()> {
    let text = match std::fs::read(RESOLVER) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text?,
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, MERGED_PATH, flags, Mode::empty())?;
    // Links of the image lead nowhere else.
    let etc = match openat2(&root, "etc", flags, Mode::empty(), ResolveFlags::IN_ROOT) {
        // Who has no such directory has nobody who looks.
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        etc => etc?,
    };
    match unlinkat(&etc, "resolv.conf", AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(&etc, "resolv.conf", flags, Mode::from_raw_mode(0o644))?;
    File::from(file).write_all(&text)
}

/// The merged root has the upper directory's owner and mode, so these are the lower one's.
fn make_upper(scratch: BorrowedFd<'_>) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(0o755);
    mkdirat(scratch, OWN, mode)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let own = openat(scratch, OWN, flags, Mode::empty())?;
    mkdirat(&own, "work", mode)?;
    mkdirat(&own, "upper", mode)?;
    let lower = stat(LOWER)?;
    let (user, group) = (Uid::from_raw(lower.st_uid), Gid::from_raw(lower.st_gid));
    chownat(&own, "upper", Some(user), Some(group), AtFlags::empty())?;
    let upper = openat(&own, "upper", flags, Mode::empty())?;
    fchmod(&upper, Mode::from_raw_mode(lower.st_mode & 0o7777))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_that_the_image_stands_in_the_way_of_is_the_disks() {
        let check = |errno: Errno, expected| {
            assert_eq!(NoRoot::Resolver(errno.into()).is_the_disks(), expected, "{errno}");
        };
        check(Errno::ISDIR, true);
        check(Errno::LOOP, true);
        check(Errno::NOSPC, false);
    }
}
