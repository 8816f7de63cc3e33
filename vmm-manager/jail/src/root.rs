//! The root of a jail: an empty file system with a few mounts in it.
//!
//! All of it is made before the fork and has no place anywhere; the child, which has mounts of its
//! own, puts the parts together and moves in. What goes wrong half-way is gone with its descriptors.

use std::{
    collections::BTreeSet,
    ffi::CString,
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, chmodat, chownat, mkdirat, mknodat, openat,
    },
    io::Errno,
    mount::{MountAttrFlags, MoveMountFlags, UnmountFlags, move_mount, unmount},
    process::{chdir, chroot, fchdir, pivot_root},
};

use crate::{
    Access, JailUser, LaunchFailure, Step, failure::errno, mount, paths::Given, word::Setback,
};

const EVERYBODY: Mode = Mode::from_raw_mode(0o755);

#[derive(Debug)]
pub(crate) struct Root {
    empty: OwnedFd,
    /// In the order of the jail's paths. `None`: it is in the root already.
    mounts: Vec<Option<Part>>,
    directory: CString,
}

#[derive(Debug)]
struct Part {
    mount: OwnedFd,
    /// From the root, without a slash at its beginning.
    place: CString,
}

impl Root {
    /// With all that is `given`, and the machine's `directory` to be in.
    pub(crate) fn new(
        given: &[Given<'_>],
        directory: &Path,
        user: &JailUser,
    ) -> Result<Self, LaunchFailure> {
        let mut directories: BTreeSet<&Path> = directory.ancestors().collect();
        for given in given {
            directories.extend(given.path.ancestors().skip(1));
        }
        directories.remove(Path::new("/"));
        let devices = given.iter().any(|given| given.access == Access::Device);
        let mut attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        if !devices {
            attributes |= MountAttrFlags::MOUNT_ATTR_NODEV;
        }
        let inodes = 1 + directories.len() + given.len();
        let root = mount::empty(inodes, attributes)
            .map_err(|error| LaunchFailure::make("an empty root", error))?;
        // Sorted, so that each comes before what is in it.
        for directory in directories {
            make_directory(&root, directory).map_err(|error| at(directory, &error.into()))?;
        }
        let mut mounts = Vec::with_capacity(given.len());
        for given in given {
            let part = part(&root, given, user).map_err(|error| at(given.path, &error))?;
            mounts.push(part);
        }
        let directory = CString::new(directory.as_os_str().as_bytes())
            .map_err(|error| at(directory, &error.into()))?;
        Ok(Self { empty: root, mounts, directory })
    }

    /// The device that was made at `path`.
    pub(crate) fn node(&self, path: &Path) -> Result<OwnedFd, LaunchFailure> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.empty, relative(path), flags, Mode::empty())
            .map_err(|error| at(path, &error.into()))
    }

    /// Moves this process in. In the child, whose mounts are its own: it neither allocates nor
    /// locks.
    pub(crate) fn enter(&self) -> Result<(), Setback> {
        let step = |step: Step| move |error: Errno| Setback::step(step, error);
        mount::part_all().map_err(|error| Setback::step(Step::Mounts, error))?;
        // Upon the host's root, which this process still sees: only there is it sure that nothing
        // which is needed is hidden.
        let whole = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        move_mount(&self.empty, c"", CWD, c"/", whole).map_err(step(Step::Root))?;
        for (index, part) in self.mounts.iter().enumerate() {
            let Some(Part { mount, place }) = part else { continue };
            move_mount(mount, c"", &self.empty, place.as_c_str(), whole)
                .map_err(|error| Setback::mount(index, error))?;
        }
        mount::restrict(self.empty.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY)
            .map_err(|error| Setback::step(Step::RootReadOnly, error))?;
        fchdir(&self.empty).map_err(step(Step::Enter))?;
        match pivot_root(c".", c".") {
            // What was the root lies upon the new one now.
            Ok(()) => unmount(c".", UnmountFlags::DETACH).map_err(step(Step::OldRoot))?,
            // The first root of a host that never left its initramfs cannot be put away. Below a
            // root that lies upon it nobody finds it who may not unmount.
            Err(Errno::INVAL) => {
                chroot(c".").map_err(step(Step::Enter))?;
            }
            Err(error) => return Err(step(Step::Enter)(error)),
        }
        chdir(self.directory.as_c_str()).map_err(step(Step::Directory))
    }
}

fn make_directory(root: &OwnedFd, directory: &Path) -> rustix::io::Result<()> {
    let place = relative(directory);
    mkdirat(root, place, EVERYBODY)?;
    // Whatever the umask made of it.
    chmodat(root, place, EVERYBODY, AtFlags::empty())
}

fn part(root: &OwnedFd, given: &Given<'_>, user: &JailUser) -> io::Result<Option<Part>> {
    let place = relative(given.path);
    let mut attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    match given.access {
        Access::Read => {
            attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        }
        Access::Execute => attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY,
        Access::Write | Access::Sockets | Access::Files => {
            attributes |= MountAttrFlags::MOUNT_ATTR_NOEXEC;
        }
        // A node of its own: it needs no group, and says nothing of the host's.
        Access::Device => {
            let mode = Mode::RUSR | Mode::WUSR;
            mknodat(root, place, FileType::CharacterDevice, mode, given.stat.st_rdev)?;
            let (owner, group) = (Uid::from_raw(user.id), Gid::from_raw(user.id));
            chownat(root, place, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
            return Ok(None);
        }
    }
    let mount = mount::of(given.object.as_fd())?;
    mount::restrict(mount.as_fd(), attributes)?;
    match given.access {
        Access::Sockets | Access::Files => mkdirat(root, place, Mode::empty())?,
        _ => mknodat(root, place, FileType::RegularFile, Mode::empty(), 0)?,
    }
    let place = CString::new(place.as_os_str().as_bytes())?;
    Ok(Some(Part { mount, place }))
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

fn at(path: &Path, error: &io::Error) -> LaunchFailure {
    LaunchFailure::Mount { path: path.to_owned(), errno: errno(error) }
}
