//! A home for another user than who makes it.
//!
//! ```text
//! (nothing) ──▶ made, root's ──▶ everything in it given, its own last ──▶ the keeper's
//! ```
//!
//! *Happy path*: it is the keeper's already, and nothing is looked at. What is the keeper's the keeper
//! may have altered, so root walks no home but one whose owner is not yet the keeper: root's own, as
//! it is after an upgrade or the first start, or an earlier keeper's. *Failure path*: a start that
//! dies half-way leaves a home that is not yet the keeper's, and the next one begins again.

use std::{
    ffi::CStr,
    fs::{self, DirBuilder},
    io,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::fs::DirBuilderExt as _,
    },
    path::Path,
};

use kiln_shim::privileges::Keeper;
use rustix::{
    fs::{
        AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fstat, openat, statat,
    },
    io::Errno,
};

/// Deeper than a home is.
const MAX_DEPTH: usize = 32;

/// Makes the home at `path` if there is none, and gives it to `keeper`, with all that root or its
/// last owner has in it. Files of other users, VMs' disks among them, stay as they are.
pub(super) fn give(path: &Path, keeper: Keeper) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        // Whoever may use the host may go through them.
        DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    // An operator may have put it elsewhere by a link.
    let path = fs::canonicalize(path)?;
    let home = openat(CWD, &path, directory(), Mode::empty())?;
    let stat = fstat(&home)?;
    if stat.st_uid == keeper.uid {
        return Ok(());
    }
    let giving = Giving { keeper, from: stat.st_uid, device: stat.st_dev };
    giving.below(home.as_fd(), MAX_DEPTH)?;
    giving.change(home.as_fd(), c"", AtFlags::EMPTY_PATH)
}

struct Giving {
    keeper: Keeper,
    from: u32,
    device: u64,
}

impl Giving {
    fn below(&self, parent: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
        let deeper = depth.checked_sub(1).ok_or_else(|| io::Error::other("it is too deep"))?;
        let entries: Vec<_> = Dir::read_from(parent)?.collect::<Result<_, _>>()?;
        for entry in entries {
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            };
            if FileType::from_raw_mode(stat.st_mode).is_dir() {
                let below = openat(parent, name, directory(), Mode::empty())?;
                // Another file system is no part of the home.
                if fstat(&below)?.st_dev == self.device {
                    self.below(below.as_fd(), deeper)?;
                    self.one(&stat, below.as_fd(), c"", AtFlags::EMPTY_PATH)?;
                }
            } else {
                // A second name may be outside of the home: what has one is not given away.
                if stat.st_nlink > 1 && stat.st_uid != self.keeper.uid {
                    let name = name.to_string_lossy();
                    return Err(io::Error::other(format!("{name} has a second name")));
                }
                self.one(&stat, parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            }
        }
        Ok(())
    }

    fn one(
        &self,
        stat: &Stat,
        parent: BorrowedFd<'_>,
        name: &CStr,
        flags: AtFlags,
    ) -> io::Result<()> {
        if stat.st_uid == 0 || stat.st_uid == self.from {
            self.change(parent, name, flags)?;
        }
        Ok(())
    }

    fn change(&self, parent: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> io::Result<()> {
        let (owner, group) = (Uid::from_raw(self.keeper.uid), Gid::from_raw(self.keeper.gid));
        Ok(chownat(parent, name, Some(owner), Some(group), flags)?)
    }
}

fn directory() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, chown, symlink};

    use super::*;

    const KEEPER: Keeper = Keeper { uid: 64_999, gid: 64_998 };

    fn owner(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().uid()
    }

    fn only_root_gives() {
        let home = tempfile::tempdir().unwrap();
        assert!(give(home.path(), KEEPER).is_err());
    }

    #[test]
    fn a_home_is_given_with_all_that_is_its_own() {
        if !rustix::process::geteuid().is_root() {
            return only_root_gives();
        }
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("above/home");
        let outside = root.path().join("outside");
        fs::write(&outside, "").unwrap();
        fs::create_dir_all(home.join("vms/job")).unwrap();
        fs::write(home.join("lock"), "").unwrap();
        fs::write(home.join("vms/job/disk"), "").unwrap();
        chown(home.join("vms/job/disk"), Some(1_900_000_007), Some(0)).unwrap();
        symlink(&outside, home.join("link")).unwrap();
        give(&home, KEEPER).unwrap();
        for ours in ["", "lock", "vms", "vms/job", "link"] {
            assert_eq!(owner(&home.join(ours)), KEEPER.uid, "{ours}");
        }
        assert_eq!(owner(&home.join("vms/job/disk")), 1_900_000_007);
        assert_eq!(owner(&outside), 0);
        // It is the keeper's now: nothing that lies in it is changed again.
        fs::write(home.join("planted"), "").unwrap();
        give(&home, KEEPER).unwrap();
        assert_eq!(owner(&home.join("planted")), 0);
    }

    #[test]
    fn a_file_with_a_second_name_is_given_to_nobody() {
        if !rustix::process::geteuid().is_root() {
            return only_root_gives();
        }
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("home");
        let precious = root.path().join("precious");
        fs::create_dir(&home).unwrap();
        fs::write(&precious, "").unwrap();
        fs::hard_link(&precious, home.join("instance")).unwrap();
        assert!(give(&home, KEEPER).is_err());
        assert_eq!(owner(&precious), 0);
        assert_eq!(owner(&home), 0, "not finished");
    }
}
