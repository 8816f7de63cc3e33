//! Where a daemon keeps what it has: looked at, never taken or written to.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags, mkdir, open, rmdir},
    io::Errno,
};

use crate::{
    config::Flags,
    doctor::report::{Area, Check},
    home::MAX_PATH_BYTES,
};

const LOCKS: &str = "/proc/locks";

pub(super) fn checks(flags: &Flags) -> Vec<Check> {
    vec![
        home(&flags.home),
        directory("pool", &flags.pool, "name one with --pool that daemons of this host share"),
        directory("socket", above(&flags.socket), "name another place with --socket"),
    ]
}

/// The lowest directory above `path`, or itself, that is there.
pub(super) fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"))
}

fn above(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn home(path: &Path) -> Check {
    let (area, name, shown) = (Area::Kilnd, "home", path.display());
    let mend = "give kilnd an empty or absent directory on a disk of its own with --home";
    let length = path.as_os_str().len();
    if length > MAX_PATH_BYTES {
        let found = format!("{shown} is {length} bytes long, and sockets below it would not fit");
        return Check::missing(area, name, found).mend("choose a shorter --home");
    }
    if !path.exists() {
        let place = nearest(path);
        return match takes_files(place) {
            Ok(()) => Check::ok(area, name, format!("{shown} will be made")),
            Err(error) => {
                let found = format!("{shown} cannot be made in {}: {error}", place.display());
                Check::missing(area, name, found).mend(mend)
            }
        };
    }
    let is_empty = || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    let held = is_held(&path.join("lock"));
    if !path.join("instance").exists() && !held && !is_empty() {
        // As far as it can be seen: a stranger's directory may be closed to us.
        return match fs::read_dir(path) {
            Ok(_) => Check::missing(area, name, format!("{shown} was never a home of kilnd")),
            Err(error) => Check::missing(area, name, format!("{shown} cannot be read: {error}")),
        }
        .mend(mend);
    }
    match takes_files(path) {
        Ok(()) if held => Check::ok(area, name, format!("{shown}, in which a kilnd runs")),
        Ok(()) => Check::ok(area, name, format!("{shown} can be used")),
        Err(error) => {
            Check::missing(area, name, format!("{shown} cannot be written to: {error}")).mend(mend)
        }
    }
}

fn directory(name: &'static str, path: &Path, mend: &str) -> Check {
    let place = nearest(path);
    let state = if place == path { "can be used" } else { "will be made" };
    match takes_files(place) {
        Ok(()) => Check::ok(Area::Kilnd, name, format!("{} {state}", path.display())),
        Err(error) => {
            let found = format!("{} cannot be written to: {error}", place.display());
            Check::missing(Area::Kilnd, name, found).mend(mend)
        }
    }
}

/// Makes a file without a name, which is gone whatever happens.
fn takes_files(directory: &Path) -> Result<(), Errno> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match open(directory, flags, Mode::RUSR | Mode::WUSR) {
        Ok(_) => Ok(()),
        // A file system that has no such files tells nothing else by it.
        Err(Errno::OPNOTSUPP | Errno::ISDIR) => {
            let name = directory.join(format!(".kiln-doctor-{}", std::process::id()));
            mkdir(&name, Mode::RWXU)?;
            rmdir(&name)
        }
        Err(error) => Err(error),
    }
}

/// Whether somebody has locked `file`, as the kernel lists it: taking the lock to see, even for a
/// moment, could keep a daemon from it.
fn is_held(file: &Path) -> bool {
    let Ok(data) = fs::metadata(file) else { return false };
    let locks = fs::read_to_string(PathBuf::from(LOCKS)).unwrap_or_default();
    let device = data.dev();
    let (major, minor) = (libc::major(device), libc::minor(device));
    let id = format!("{major:02x}:{minor:02x}:{}", data.ino());
    names(&locks, &id)
}

/// `1: FLOCK  ADVISORY  WRITE 1234 fe:00:567 0 EOF`.
fn names(locks: &str, id: &str) -> bool {
    locks.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.nth(1) == Some("FLOCK") && words.nth(3) == Some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{doctor::report::Finding, home::Home};

    #[track_caller]
    fn check(path: &Path, expected: Finding, words: &str) {
        let check = home(path);
        assert_eq!(check.finding, expected, "{check:?}");
        assert!(check.found.contains(words), "{check:?}");
    }

    #[test]
    fn a_home_is_looked_at_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("home");
        check(&path, Finding::Ok, "will be made");
        assert!(!path.exists());
        fs::create_dir(&path).unwrap();
        check(&path, Finding::Ok, "can be used");
        let daemon = Home::open(&path).unwrap();
        check(&path, Finding::Ok, "in which a kilnd runs");
        drop(daemon);
        check(&path, Finding::Ok, "can be used");
        let names = fs::read_dir(&path).unwrap().count();
        assert_eq!(
            names,
            ["lock", "instance", "store", "vms", "jobs", "sources", "registry"].len()
        );
    }

    #[test]
    fn what_can_be_no_home_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let long = directory.path().join("x".repeat(100));
        check(&long, Finding::Missing, "bytes long");
        fs::write(directory.path().join("precious"), "").unwrap();
        check(directory.path(), Finding::Missing, "never a home");
        check(Path::new("/proc/kiln/home"), Finding::Missing, "cannot be made");
    }

    #[test]
    fn a_lock_is_known_by_its_file() {
        let locks = "1: POSIX  ADVISORY  WRITE 9 fe:00:5 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 1234 fe:00:567 0 EOF\n";
        assert!(names(locks, "fe:00:567"));
        assert!(!names(locks, "fe:00:5"));
        assert!(!names(locks, "fe:00:56"));
        assert!(!names("", "fe:00:567"));
    }
}
