//! What is given to a program, opened once: the object that was checked is the one that is mounted.
//!
//! What belongs to the machine (written files, directories of sockets) lies below its directory,
//! where an earlier VMM of it may have been at work. On the way to it no link is followed, and
//! nothing is changed before everything about it is known.

use std::{
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Component, Path},
};

use rustix::{
    fs::{
        AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, chmod, chownat, fstat,
        mkdirat, open, openat2,
    },
    io::Errno,
};

use crate::{Access, Jail, JailPath, JailUser, Kind, LaunchFailure, PathFault, mount::path_of};

/// Of a directory in which the keeper and the program both make things; whoever makes one, its
/// group is the keeper's.
const SHARED: Mode = Mode::from_raw_mode(0o2770);
const WRITTEN: Mode = Mode::from_raw_mode(0o660);

/// One of a jail's paths.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    pub(crate) path: &'a Path,
    pub(crate) access: Access,
    /// `O_PATH`.
    pub(crate) object: OwnedFd,
    pub(crate) stat: Stat,
}

/// Everything that `jail` names, of the machine whose directory is called `directory`.
pub(crate) fn open_all<'a>(
    jail: &'a Jail,
    directory: &Path,
    within: BorrowedFd<'_>,
) -> Result<Vec<Given<'a>>, LaunchFailure> {
    check_names(&jail.paths)?;
    let mut all = Vec::with_capacity(jail.paths.len());
    for JailPath { path, access } in &jail.paths {
        let given = Source { path, access: *access, directory, within, user: jail.user.as_ref() }
            .open()
            .map_err(|fault| LaunchFailure::path(path, fault))?;
        all.push(given);
    }
    Ok(all)
}

/// Each a name of its own, none within another.
fn check_names(paths: &[JailPath]) -> Result<(), LaunchFailure> {
    let mut sorted: Vec<&Path> = paths.iter().map(|given| given.path.as_path()).collect();
    for path in &sorted {
        let mut components = path.components();
        let plain = components.next() == Some(Component::RootDir)
            && components.clone().next().is_some()
            && components.all(|component| matches!(component, Component::Normal(_)));
        if !plain {
            return Err(LaunchFailure::path(path, PathFault::NotPlain));
        }
    }
    // By components, so whatever is within another stands behind it.
    sorted.sort_unstable();
    for pair in sorted.windows(2) {
        let [one, next] = pair else { continue };
        if one == next {
            return Err(LaunchFailure::path(next, PathFault::Twice));
        }
        if next.starts_with(one) {
            let fault = PathFault::Within { other: (*one).to_owned() };
            return Err(LaunchFailure::path(next, fault));
        }
    }
    Ok(())
}

struct Source<'a, 'b> {
    path: &'a Path,
    access: Access,
    directory: &'b Path,
    within: BorrowedFd<'b>,
    user: Option<&'b JailUser>,
}

impl<'a> Source<'a, '_> {
    fn open(&self) -> Result<Given<'a>, PathFault> {
        let object = match self.access {
            // The host's own: at the place where a loader looks for a library stands a link.
            Access::Read | Access::Execute if self.below().is_err() => {
                open(self.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(fault)?
            }
            Access::Device => {
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                open(self.path, flags, Mode::empty()).map_err(fault)?
            }
            Access::Read | Access::Execute | Access::Write => self.open_below(self.below()?)?,
            Access::Sockets | Access::Files => self.make()?,
        };
        let stat = fstat(&object).map_err(fault)?;
        self.check(&stat)?;
        if let Some(user) = self.user {
            self.hand_over(&object, &stat, user)?;
        }
        Ok(Given { path: self.path, access: self.access, object, stat })
    }

    fn below(&self) -> Result<&Path, PathFault> {
        self.path
            .strip_prefix(self.directory)
            .map_err(|_| PathFault::Outside { directory: self.directory.to_owned() })
    }

    fn open_below(&self, path: &Path) -> Result<OwnedFd, PathFault> {
        // A link at its end is refused as well: asked not to follow it, the kernel would open it.
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        openat2(self.within, path, flags, Mode::empty(), resolve).map_err(fault)
    }

    /// A directory that may not be there yet, where it belongs and nowhere else.
    fn make(&self) -> Result<OwnedFd, PathFault> {
        let below = self.below()?;
        let (Some(parent), Some(name)) = (below.parent(), below.file_name()) else {
            return Err(PathFault::NotPlain);
        };
        let has_parent = !parent.as_os_str().is_empty();
        let above = has_parent.then(|| self.open_below(parent)).transpose()?;
        let parent = above.as_ref().map_or(self.within, OwnedFd::as_fd);
        match mkdirat(parent, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => self.open_below(below),
            Err(error) => Err(fault(error)),
        }
    }

    fn check(&self, stat: &Stat) -> Result<(), PathFault> {
        let kind = match self.access {
            Access::Read | Access::Execute | Access::Write => (FileType::RegularFile, Kind::File),
            Access::Device => (FileType::CharacterDevice, Kind::CharacterDevice),
            Access::Sockets | Access::Files => (FileType::Directory, Kind::Directory),
        };
        let found = FileType::from_raw_mode(stat.st_mode);
        if found == FileType::Symlink {
            return Err(PathFault::Link);
        }
        if found != kind.0 {
            return Err(PathFault::Kind { expected: kind.1 });
        }
        // A second name of a file that is about to change hands may be on the host's side.
        if self.access == Access::Write && stat.st_nlink != 1 {
            return Err(PathFault::Links { links: stat.st_nlink });
        }
        let shared = matches!(self.access, Access::Read | Access::Execute);
        if shared && self.user.is_some_and(|user| !may_read(stat, user)) {
            return Err(PathFault::Unreadable);
        }
        Ok(())
    }

    fn hand_over(&self, object: &OwnedFd, stat: &Stat, user: &JailUser) -> Result<(), PathFault> {
        let mode = match self.access {
            Access::Write => WRITTEN,
            Access::Sockets | Access::Files => SHARED,
            Access::Read | Access::Execute | Access::Device => return Ok(()),
        };
        if (stat.st_uid, stat.st_gid) != (user.id, user.keeper) {
            let (owner, group) = (Uid::from_raw(user.id), Gid::from_raw(user.keeper));
            chownat(object, "", Some(owner), Some(group), AtFlags::EMPTY_PATH).map_err(fault)?;
        }
        // Always, since a change of owner takes mode bits away. A descriptor without access knows
        // its object, and only by this name can a mode be set through one.
        chmod(path_of(object.as_fd()).as_c_str(), mode).map_err(fault)
    }
}

/// By the mode alone, as the kernel sees it for a user that is in no group.
fn may_read(stat: &Stat, user: &JailUser) -> bool {
    let bit = if stat.st_uid == user.id {
        Mode::RUSR
    } else if stat.st_gid == user.id {
        Mode::RGRP
    } else {
        Mode::ROTH
    };
    Mode::from_raw_mode(stat.st_mode).contains(bit)
}

fn fault(error: Errno) -> PathFault {
    match error {
        Errno::NOENT | Errno::NOTDIR => PathFault::Absent,
        Errno::LOOP => PathFault::Link,
        error => PathFault::Io { errno: error.raw_os_error() },
    }
}
