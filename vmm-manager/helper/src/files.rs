//! The removal of a VM's directory, in which a program may have made what kilnd may not remove.
//!
//! kilnd owns what is above and may change it meanwhile. Everything is named by a descriptor of its
//! directory and one component, no link is followed and no other file system entered; so whatever
//! becomes of the names, what is removed lies in a directory that was found below this one.

use std::{
    ffi::CStr,
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd},
};

use rustix::{
    fs::{
        AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2, statat, unlinkat,
    },
    io::Errno,
};

use crate::{Policy, Refusal};

/// Deeper than any program of ours makes directories; a guest makes none.
const MAX_DEPTH: usize = 64;

/// Empties the directory of `job` and removes it.
pub(crate) fn remove(policy: &Policy, job: &str) -> Result<io::Result<()>, Refusal> {
    let directory = match policy.directory(job) {
        Ok(directory) => directory,
        Err(Refusal::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(Ok(()));
        }
        Err(refusal) => return Err(refusal),
    };
    let removed = || {
        empty(directory.as_fd(), MAX_DEPTH)?;
        let vms = File::open(policy.vms())?;
        match unlinkat(&vms, job, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    };
    Ok(removed())
}

fn empty(directory: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
    let device = fstat(directory)?.st_dev;
    let entries: Vec<_> = Dir::read_from(directory)?.collect::<Result<_, _>>()?;
    for entry in entries {
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => one(directory, name, &stat, device, depth)?,
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn one(
    directory: BorrowedFd<'_>,
    name: &CStr,
    stat: &Stat,
    device: u64,
    depth: usize,
) -> io::Result<()> {
    let gone = |result: rustix::io::Result<()>| match result {
        Err(Errno::NOENT) => Ok(()),
        other => other.map_err(io::Error::from),
    };
    if !FileType::from_raw_mode(stat.st_mode).is_dir() {
        return gone(unlinkat(directory, name, AtFlags::empty()));
    }
    let deeper = depth.checked_sub(1).ok_or_else(|| io::Error::other("it is too deep"))?;
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let below = openat2(directory, name, flags, Mode::empty(), resolve)?;
    if fstat(&below)?.st_dev != device {
        return Err(Errno::XDEV.into());
    }
    empty(below.as_fd(), deeper)?;
    gone(unlinkat(directory, name, AtFlags::REMOVEDIR))
}
