//! Which init: what was asked for, or what a root filesystem of Kiln's own has.

use std::{ffi::CString, path::Path};

use rustix::{
    fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2},
    io::Errno,
};

/// Kiln's own.
const OWN: &str = "/.kiln/init";
/// Where kernels look.
const USUAL: &str = "/sbin/init";
/// What Kiln's own is told, before what was asked for. See `docs/init.md`.
const WORDS: [&str; 2] = ["kiln.report=unix:@kiln-report", "kiln.end=poweroff"];

/// What is known of an init.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It tells when it is ready, and how its command ended.
    Kiln,
    Systemd,
    /// Nothing.
    Other,
}

/// An init that is there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    program: CString,
    kind: Kind,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum NoInit {
    #[error("{0:?} is no absolute path of an init")]
    Path(String),
    #[error("an argument of the init contains a NUL byte")]
    Argument,
    #[error("{0:?} was not found in the root filesystem")]
    NotFound(String),
    #[error("{path:?} cannot be executed: {why}")]
    NotExecutable { path: String, why: String },
}

impl Kind {
    /// `path` leads through no link.
    fn of(path: &Path) -> Self {
        if path == Path::new(OWN) {
            Self::Kiln
        } else if path.ends_with("systemd") {
            Self::Systemd
        } else {
            Self::Other
        }
    }

    /// What it takes for a wish to power off.
    pub(super) fn stop_signal(self) -> i32 {
        /// `SIGRTMIN+4`, as the C library counts.
        const POWER_OFF: i32 = 34 + 4;
        match self {
            Self::Kiln | Self::Other => libc::SIGTERM,
            Self::Systemd => POWER_OFF,
        }
    }
}

impl Chosen {
    /// In `root`, which its links do not lead out of; an empty wish is for the best there is.
    pub(super) fn find(root: &Path, wish: &str) -> Result<Self, NoInit> {
        if !wish.is_empty() {
            return Self::look(root, wish);
        }
        match Self::look(root, OWN) {
            Err(NoInit::NotFound(_)) => Self::look(root, USUAL),
            found => found,
        }
    }

    fn look(root: &Path, path: &str) -> Result<Self, NoInit> {
        let program = CString::new(path).map_err(|_| NoInit::Path(path.to_owned()))?;
        if !path.starts_with('/') {
            return Err(NoInit::Path(path.to_owned()));
        }
        let cannot = |why: String| NoInit::NotExecutable { path: path.to_owned(), why };
        let open = |path, flags| {
            let flags = flags | OFlags::PATH | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::empty())
        };
        let directory = open(root, OFlags::DIRECTORY).map_err(|errno| cannot(errno.to_string()))?;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let file = match openat2(&directory, &*program, flags, Mode::empty(), resolve) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => return Err(NoInit::NotFound(path.to_owned())),
            Err(errno) => return Err(cannot(errno.to_string())),
        };
        let status = fstat(&file).map_err(|errno| cannot(errno.to_string()))?;
        if !FileType::from_raw_mode(status.st_mode).is_file() {
            return Err(cannot("it is no file".to_owned()));
        }
        if status.st_mode & 0o111 == 0 {
            return Err(cannot("it is not executable".to_owned()));
        }
        // What cannot be told is nothing that is known.
        let real =
            std::fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file)));
        let real = real.unwrap_or_default();
        let inside = real.strip_prefix(root).map(|path| Path::new("/").join(path));
        Ok(Self { program, kind: inside.map_or(Kind::Other, |path| Kind::of(&path)) })
    }

    pub(super) fn program(&self) -> &CString {
        &self.program
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// With its own name, and what it is told.
    pub(super) fn argv(&self, arguments: &[String]) -> Result<Vec<CString>, NoInit> {
        let words: &[&str] = if self.kind == Kind::Kiln { &WORDS } else { &[] };
        let words = words.iter().copied().chain(arguments.iter().map(String::as_str));
        let words = words.map(|word| CString::new(word).map_err(|_| NoInit::Argument));
        std::iter::once(Ok(self.program.clone())).chain(words).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    use tempfile::TempDir;

    use super::*;

    fn root(programs: &[&str]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for program in programs {
            let path = root.path().join(program);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        root
    }

    fn found(root: &TempDir, wish: &str) -> Result<(String, Kind), NoInit> {
        let root = fs::canonicalize(root.path()).unwrap();
        let Chosen { program, kind } = Chosen::find(&root, wish)?;
        Ok((program.into_string().unwrap(), kind))
    }

    #[test]
    fn kilns_own_comes_before_the_usual_one() {
        let root = root(&[".kiln/init", "sbin/init", "bin/sh", "usr/lib/systemd/systemd"]);
        let check = |wish: &str, path: &str, kind: Kind| {
            assert_eq!(found(&root, wish).unwrap(), (path.to_owned(), kind), "{wish:?}");
        };
        check("", OWN, Kind::Kiln);
        check("/sbin/init", "/sbin/init", Kind::Other);
        check("/bin/sh", "/bin/sh", Kind::Other);
        fs::remove_file(root.path().join("sbin/init")).unwrap();
        symlink("/lib/systemd/systemd", root.path().join("sbin/init")).unwrap();
        symlink("usr/lib", root.path().join("lib")).unwrap();
        check("/sbin/init", "/sbin/init", Kind::Systemd);
        fs::remove_dir_all(root.path().join(".kiln")).unwrap();
        check("", "/sbin/init", Kind::Systemd);
        symlink("/sbin", root.path().join("link")).unwrap();
        check("/link/init", "/link/init", Kind::Systemd);
    }

    #[test]
    fn a_link_to_kilns_own_is_kilns_own() {
        let root = root(&[".kiln/init"]);
        fs::create_dir(root.path().join("sbin")).unwrap();
        symlink("/.kiln/init", root.path().join("sbin/init")).unwrap();
        assert_eq!(found(&root, "/sbin/init").unwrap().1, Kind::Kiln);
        let chosen = Chosen::find(&fs::canonicalize(root.path()).unwrap(), "/sbin/init").unwrap();
        let argv = chosen.argv(&["more".to_owned()]).unwrap();
        let expected =
            [c"/sbin/init", c"kiln.report=unix:@kiln-report", c"kiln.end=poweroff", c"more"];
        assert_eq!(argv, expected.map(std::ffi::CStr::to_owned));
        assert!(matches!(chosen.argv(&["a\0".to_owned()]), Err(NoInit::Argument)));
    }

    #[test]
    fn what_is_no_init_is_told_apart() {
        let root = root(&["bin/sh"]);
        fs::write(root.path().join("text"), "").unwrap();
        assert!(matches!(found(&root, ""), Err(NoInit::NotFound(path)) if path == USUAL));
        assert!(matches!(found(&root, "/no/such"), Err(NoInit::NotFound(_))));
        assert!(matches!(found(&root, "/bin/sh/x"), Err(NoInit::NotFound(_))));
        assert!(matches!(found(&root, "bin/sh"), Err(NoInit::Path(_))));
        assert!(matches!(found(&root, "/bin/\0sh"), Err(NoInit::Path(_))));
        for path in ["/bin", "/text"] {
            assert!(matches!(found(&root, path), Err(NoInit::NotExecutable { .. })), "{path}");
        }
        // Outside there is one.
        symlink("/../../../../../bin/true", root.path().join("out")).unwrap();
        assert!(matches!(found(&root, "/out"), Err(NoInit::NotFound(_))));
    }
}
