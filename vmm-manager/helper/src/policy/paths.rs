//! Whether a program may be given a path.

use std::{
    fs::{self, File},
    io,
    path::{Component, Path, PathBuf},
};

use kiln_jail::{Access, JailPath};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

use super::{Policy, Refusal};

/// What every program has of its system: loaders, libraries, firmware. Everybody reads them.
const SYSTEM: [&str; 2] = ["/usr", "/etc/ld.so.cache"];
/// The nodes that VMMs know what to do with.
const DEVICES: [&str; 9] = [
    "/dev/kvm",
    "/dev/net/tun",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/userfaultfd",
    "/dev/vhost-net",
    "/dev/vhost-vsock",
    "/dev/zero",
];

impl Policy {
    pub(super) fn path(&self, given: &JailPath, directory: &Path) -> Result<(), Refusal> {
        let JailPath { path, access } = given;
        let (allowed, access) = match access {
            Access::Read => (self.is_readable(path, directory, is_given)?, "a file to read"),
            // Nothing of a tenant's is executed.
            Access::Execute => {
                let own = self.is_readable(path, directory, |_| false)?;
                (own, "a file to execute")
            }
            // How they are opened, and that they are what they are to be, is the jail's to see to.
            Access::Write => (is_below(path, directory), "a file to write"),
            Access::Sockets => (is_below(path, directory), "a directory of sockets"),
            Access::Files => (is_below(path, directory), "a directory of files"),
            Access::Device => (DEVICES.iter().any(|device| path == Path::new(device)), "a device"),
        };
        if is_plain(path) && allowed {
            return Ok(());
        }
        Err(Refusal::Path { path: path.clone(), access })
    }

    /// Whether it is one of those that root named, by whatever name.
    pub(super) fn is_program(&self, path: &Path) -> bool {
        let Ok(meant) = fs::canonicalize(path) else { return false };
        is_plain(path) && self.programs.contains(&meant)
    }

    /// By where it leads, and not by its name alone: below the home, where kilnd may put links, to
    /// no other place than its name says. `is_given` is what the home has for machines besides their
    /// own directories.
    fn is_readable(
        &self,
        path: &Path,
        directory: &Path,
        is_given: impl Fn(&Path) -> bool,
    ) -> Result<bool, Refusal> {
        if !is_plain(path) {
            return Ok(false);
        }
        let io = |source: io::Error| Refusal::Io { path: path.to_owned(), source };
        if let Ok(below) = path.strip_prefix(&self.home) {
            if !is_given(below) && !is_below(path, directory) {
                return Ok(false);
            }
            let home = File::open(&self.home).map_err(io)?;
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let found = openat2(home, below, flags, Mode::empty(), resolve);
            let stat = found.and_then(fstat).map_err(|error| io(error.into()))?;
            // A link at the very end is no step of the way: it is found itself.
            return Ok(FileType::from_raw_mode(stat.st_mode).is_file());
        }
        let meant = fs::canonicalize(path).map_err(io)?;
        let system = SYSTEM.iter().map(Path::new);
        let mut roots = system.chain(self.readable.iter().map(PathBuf::as_path));
        Ok(self.is_program(path) || roots.any(|root| meant.starts_with(root)))
    }
}

fn is_given(below: &Path) -> bool {
    below.starts_with("sources") || is_output(below)
}

/// What a job has left, which another machine of its tenant's boots. A name with a dot in it is none
/// yet.
fn is_output(below: &Path) -> bool {
    let parts: Vec<_> = below.components().map(Component::as_os_str).collect();
    match parts[..] {
        [jobs, _, outputs, name] => {
            let letters = name.as_encoded_bytes();
            let is_plain =
                |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
            jobs == "jobs" && outputs == "outputs" && letters.iter().all(is_plain)
        }
        _ => false,
    }
}

/// Absolute, without a step back.
fn is_plain(path: &Path) -> bool {
    let mut components = path.components();
    components.next() == Some(Component::RootDir)
        && components.all(|component| matches!(component, Component::Normal(_)))
        // A component may hide in what `components` skips: `/a/./b`, `/a//b`.
        && path.as_os_str().len() == path.components().collect::<PathBuf>().as_os_str().len()
}

fn is_below(path: &Path, directory: &Path) -> bool {
    is_plain(path) && path.starts_with(directory) && path != directory
}
