//! The file systems that every Linux program counts on.

use std::{fmt::Write as _, io, path::Path};

use rustix::{
    fs::{CWD, Mode, RawMode, StatVfsMountFlags, mkdirat, stat, statvfs, symlink},
    io::Errno,
    mount::{MountFlags, mount, mount_remount},
};

use crate::{cause::chain, settings::Memory};

const NO_PROGRAMS: MountFlags =
    MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

#[derive(Debug, thiserror::Error)]
pub(crate) enum MountError {
    #[error("{path} cannot be made")]
    Directory { path: String, source: io::Error },
    #[error("{kind} cannot be mounted on {target}")]
    Mount { kind: &'static str, target: String, source: io::Error },
}

struct Mount {
    kind: &'static str,
    target: &'static str,
    flags: MountFlags,
    options: &'static str,
    /// Small kernels do without.
    optional: bool,
}

/// In docker's order, and with its flags, except that a machine's `/sys` and control groups may be
/// written to: there is nobody else in it.
const KERNEL: [Mount; 7] = [
    Mount { kind: "proc", target: "/proc", flags: NO_PROGRAMS, options: "", optional: false },
    Mount { kind: "sysfs", target: "/sys", flags: NO_PROGRAMS, options: "", optional: false },
    Mount {
        kind: "devtmpfs",
        target: "/dev",
        flags: MountFlags::NOSUID,
        options: "mode=0755",
        optional: false,
    },
    Mount {
        kind: "devpts",
        target: "/dev/pts",
        flags: MountFlags::NOSUID.union(MountFlags::NOEXEC),
        options: "gid=5,mode=0620,ptmxmode=0666",
        optional: true,
    },
    Mount {
        kind: "tmpfs",
        target: "/dev/shm",
        flags: NO_PROGRAMS,
        options: "mode=1777",
        optional: false,
    },
    Mount {
        kind: "mqueue",
        target: "/dev/mqueue",
        flags: NO_PROGRAMS,
        options: "",
        optional: true,
    },
    Mount {
        kind: "cgroup2",
        target: "/sys/fs/cgroup",
        flags: NO_PROGRAMS,
        options: "",
        optional: true,
    },
];

/// What the kernel's device file system does not have, as it knows devices only.
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// Mounts what isn't yet: some kernels mount `/dev` themselves.
pub(super) fn kernel(note: &mut dyn FnMut(String)) -> Result<(), MountError> {
    for (index, wanted) in KERNEL.iter().enumerate() {
        let mount = || attach(wanted.kind, wanted.target, wanted.flags, wanted.options);
        match if is_mounted(wanted.target) { Ok(()) } else { mount() } {
            Err(error) if wanted.optional => {
                note(format!("{} stays empty: {}", wanted.target, chain(&error)));
            }
            done => done?,
        }
        if index == 0 {
            make_root_writable(note);
        }
    }
    for (target, link) in LINKS {
        match symlink(target, link) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => {
                return Err(MountError::Directory { path: link.to_owned(), source: errno.into() });
            }
        }
    }
    Ok(())
}

/// As docker's `--tmpfs`, over whatever is there.
pub(super) fn memory(wanted: &[Memory]) -> Result<(), MountError> {
    for Memory { path, bytes } in wanted {
        let mut options = "mode=1777".to_owned();
        if let Some(bytes) = bytes {
            // Writing into memory does not fail.
            let _ = write!(options, ",size={bytes}");
        }
        attach("tmpfs", path, NO_PROGRAMS, &options)?;
    }
    Ok(())
}

/// A kernel that is told nothing mounts its root read-only, and leaves the rest to its init. Who writes
/// `ro` on its command line means it.
fn make_root_writable(note: &mut dyn FnMut(String)) {
    if !statvfs("/").is_ok_and(|root| root.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        return;
    }
    let words = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    if words.split_whitespace().any(|word| word == "ro") {
        return;
    }
    if let Err(errno) = mount_remount("/", MountFlags::empty(), c"") {
        note(format!("the root file system stays read-only: {errno}"));
    }
}

fn attach(
    kind: &'static str,
    target: &str,
    flags: MountFlags,
    options: &str,
) -> Result<(), MountError> {
    make_directories(target, 0o755)
        .map_err(|source| MountError::Directory { path: target.to_owned(), source })?;
    let failed = |source: io::Error| MountError::Mount { kind, target: target.to_owned(), source };
    let options = std::ffi::CString::new(options).map_err(|error| failed(error.into()))?;
    mount(kind, target, kind, flags, &*options).map_err(|errno| failed(errno.into()))
}

/// Whether it stands on another device than what it is in.
fn is_mounted(target: &str) -> bool {
    let above = Path::new(target).join("..");
    matches!((stat(target), stat(&above)), (Ok(here), Ok(above)) if here.st_dev != above.st_dev)
}

/// All of them on the way; links are followed, as nobody but the image has made them.
pub(crate) fn make_directories(path: &str, mode: RawMode) -> io::Result<()> {
    for end in path.match_indices('/').map(|(at, _)| at).chain([path.len()]) {
        let Some(part) = path.get(..end).filter(|part| !part.is_empty()) else { continue };
        match mkdirat(CWD, part, Mode::from_raw_mode(mode)) {
            Ok(()) | Err(Errno::EXIST) => {}
            // A root that is read-only says so before it says that the directory is there.
            Err(Errno::ROFS) if Path::new(part).is_dir() => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    if Path::new(path).is_dir() { Ok(()) } else { Err(Errno::NOTDIR.into()) }
}
