//! The doctor's own home, in which it may do as a daemon does.
//!
//! ```text
//!          a name of its own, locked            everything in it is ended and removed
//! (none) ─────────────────────────▶ Workplace ────────────────────────────────────────▶ (none)
//!                                      └── killed: the lock is free, the next doctor does it ──▲
//! ```
//!
//! It is a [`Home`] like any other, below one directory for all doctors: its lock tells a doctor
//! that works from one that was killed, and its instance's id is in the name of whatever it takes
//! from the host. Nothing else is ever removed.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use ulid::Ulid;

use crate::{
    home::{Home, HomeError},
    host::cgroup::Cgroups,
    vmm::{Reaped, reap},
};

/// For a killed program to be gone from its cgroup.
const CGROUP_LIMIT: Duration = Duration::from_secs(10);
const ATTEMPTS: usize = 3;

#[derive(Debug, thiserror::Error)]
pub(super) enum WorkError {
    #[error("{path} is not a directory of this user's alone; name another one with --work")]
    Shared { path: PathBuf },
    #[error("{path} cannot be used")]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Home(#[from] HomeError),
}

#[derive(Debug)]
pub(super) struct Workplace {
    home: Home,
}

/// What could not be cleared away.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Left(pub(super) String);

/// Where doctors work if nothing else is said.
pub(super) fn default_root() -> PathBuf {
    let uid = rustix::process::geteuid();
    if uid.is_root() {
        PathBuf::from("/run/kiln/doctor")
    } else {
        std::env::temp_dir().join(format!("kiln-doctor-{}", uid.as_raw()))
    }
}

impl Workplace {
    /// Takes a home of its own below `root`.
    pub(super) fn open(root: &Path) -> Result<Self, WorkError> {
        private(root)?;
        let mut attempts = 0;
        loop {
            let path = root.join(Ulid::new().to_string().to_lowercase());
            match Home::open(&path) {
                Ok(home) => return Ok(Self { home }),
                // Another doctor took it for one that was left.
                Err(HomeError::InUse { .. }) if attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    /// Ends and removes all that is in it, and itself.
    pub(super) async fn close(self) -> Vec<Left> {
        clear(self.home).await
    }
}

/// Removes what doctors left below `root` that were killed.
pub(super) async fn sweep(root: &Path) -> Vec<Left> {
    let mut left = Vec::new();
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| Ulid::from_string(name).is_ok());
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_ours || !is_directory {
            continue;
        }
        match Home::open(&entry.path()) {
            Ok(home) => left.extend(clear(home).await),
            // It works still.
            Err(HomeError::InUse { .. }) => {}
            Err(error) => left.push(Left(crate::vmm::described(&error))),
        }
    }
    left
}

/// Under the home's lock, which goes last.
async fn clear(home: Home) -> Vec<Left> {
    let mut left = Vec::new();
    for vm in fs::read_dir(home.vms_directory()).into_iter().flatten().flatten() {
        let path = vm.path();
        // No VM is a file; it goes with all the rest.
        if !vm.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        match reap(&path, home.instance()).await {
            Ok(Reaped::Nothing | Reaped::Ended) => {}
            Ok(Reaped::NotOurs) => {
                left.push(Left(format!("what runs in {} is not ours to end", path.display())));
            }
            Err(error) => left.push(Left(crate::vmm::described(&error))),
        }
    }
    // Where none can be made, none was.
    if let Ok(cgroups) = Cgroups::detect(home.instance()) {
        for name in cgroups.leftovers().unwrap_or_default() {
            let Some(cgroup) = cgroups.open(&name) else { continue };
            if let Err(error) = cgroup.remove(CGROUP_LIMIT).await {
                left.push(Left(crate::vmm::described(&error)));
            }
        }
        cgroups.release();
    }
    if left.is_empty()
        && let Err(error) = fs::remove_dir_all(home.path())
    {
        left.push(Left(format!("{}: {error}", home.path().display())));
    }
    left
}

/// Makes `root`, or sees that nobody else has a hand in it.
fn private(root: &Path) -> Result<(), WorkError> {
    let failed = |source| WorkError::Io { path: root.to_owned(), source };
    if let Some(parent) = root.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    match DirBuilder::new().mode(0o700).create(root) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    let found = fs::symlink_metadata(root).map_err(failed)?;
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    if !found.is_dir() || !ours || found.permissions().mode() & 0o077 != 0 {
        return Err(WorkError::Shared { path: root.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The names below it.
    fn entries(root: &Path) -> Vec<String> {
        let names = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_workplace_is_gone_when_it_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("d");
        let work = Workplace::open(&root).unwrap();
        fs::create_dir(work.home().vms_directory().join("probe")).unwrap();
        assert_eq!(entries(&root).len(), 1);
        assert_eq!(work.close().await, []);
        assert_eq!(entries(&root), [""; 0]);
    }

    #[tokio::test]
    async fn what_a_killed_doctor_left_is_removed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("d");
        let works = Workplace::open(&root).unwrap();
        let killed = Workplace::open(&root).unwrap();
        fs::write(killed.home().path().join("vms/scrap"), "").unwrap();
        let left = killed.home().path().to_owned();
        drop(killed);
        fs::create_dir(root.join("precious")).unwrap();
        let foreign = root.join(Ulid::new().to_string().to_lowercase());
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("precious"), "").unwrap();
        fs::write(root.join("probes.json"), "{}").unwrap();
        let told = sweep(&root).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(!left.exists());
        assert!(works.home().path().exists() && foreign.join("precious").exists());
        assert!(root.join("precious").exists() && root.join("probes.json").exists());
    }

    #[test]
    fn a_directory_in_which_others_have_a_hand_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let open = directory.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(Workplace::open(&open), Err(WorkError::Shared { .. })));
        let link = directory.path().join("link");
        symlink(directory.path(), &link).unwrap();
        assert!(matches!(Workplace::open(&link), Err(WorkError::Shared { .. })));
    }
}
