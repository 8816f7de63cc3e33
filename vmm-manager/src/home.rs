//! The daemon's directory, which one daemon at a time owns.
//!
//! ```text
//! lock          held for as long as the daemon lives
//! instance      the id that every host-visible name of this home carries
//! vms/JOB/      sockets and scratch disk of a running VM: gone with it
//! jobs/JOB/     the log of a job
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use crate::job::JobId;

/// `sun_path` holds 108 bytes with its end, and the longest name below a VM's directory must fit.
const MAX_PATH_BYTES: usize = 107 - "/vms//".len() - 26 - "vhost-user.sock".len();

#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    #[error("the home {path} is in use by another kilnd; give this one its own --home")]
    InUse { path: String },
    #[error(
        "the home {path} is {length} bytes long and sockets below it would not fit; \
         choose one of at most {MAX_PATH_BYTES} bytes"
    )]
    TooLong { path: String, length: usize },
    #[error("{path} holds other things and was never a home of kilnd; give it an empty --home")]
    Foreign { path: String },
    #[error("the home's {path} could not be used")]
    Io { path: String, source: io::Error },
}

#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    instance: String,
    /// Holds the lock; the kernel lets go of it with the process, however that ends.
    _lock: File,
}

impl Home {
    /// Takes the home for this process, and clears away what a daemon that died left in it.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |source| HomeError::Io { path, source }
        };
        private_directory(path).map_err(failed(path))?;
        if is_foreign(path).map_err(failed(path))? {
            return Err(HomeError::Foreign { path: path.display().to_string() });
        }
        let path = path.canonicalize().map_err(failed(path))?;
        let length = path.as_os_str().len();
        if length > MAX_PATH_BYTES {
            return Err(HomeError::TooLong { path: path.display().to_string(), length });
        }
        let instance_path = path.join("instance");
        let lock_path = path.join("lock");
        let lock = open_private(&lock_path).map_err(failed(&lock_path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(HomeError::InUse { path: path.display().to_string() });
            }
            Err(error) => return Err(failed(&lock_path)(error.into())),
        }
        let instance = instance_id(&instance_path).map_err(failed(&instance_path))?;
        // Safe to remove: the lock says that no daemon lives here, the VMs of the last one died
        // with it, and its records of jobs were in its memory.
        for stale in ["vms", "jobs"] {
            let stale = path.join(stale);
            remove_all(&stale).map_err(failed(&stale))?;
            private_directory(&stale).map_err(failed(&stale))?;
        }
        Ok(Self { path, instance, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn instance(&self) -> &str {
        &self.instance
    }

    pub fn vm_directory(&self, id: &JobId) -> PathBuf {
        self.path.join("vms").join(id.as_str())
    }

    pub fn job_directory(&self, id: &JobId) -> PathBuf {
        self.path.join("jobs").join(id.as_str())
    }
}

/// Makes a directory that only we may enter; one that is there already is left as it is.
fn private_directory(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

/// Nothing is removed below a directory of which we can't tell that it is ours.
fn is_foreign(path: &Path) -> io::Result<bool> {
    let ours = path.join("instance").exists();
    Ok(!ours && fs::read_dir(path)?.next().is_some())
}

fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Reads the id, or makes one where there is none that could be read.
fn instance_id(path: &Path) -> io::Result<String> {
    let mut file = open_private(path)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let text = text.trim();
    if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_owned());
    }
    let mut random = [0; 4];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let id = format!("{:08x}", u32::from_le_bytes(random));
    file.set_len(0)?;
    io::Seek::rewind(&mut file)?;
    writeln!(file, "{id}")?;
    file.sync_all()?;
    Ok(id)
}

fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_has_one_daemon_and_keeps_its_instance() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("home");
        let home = Home::open(&path).unwrap();
        assert!(matches!(Home::open(&path), Err(HomeError::InUse { .. })));
        let instance = home.instance().to_owned();
        let left = home.vm_directory(&JobId::generate());
        fs::create_dir(&left).unwrap();
        drop(home);
        let home = Home::open(&path).unwrap();
        assert_eq!(home.instance(), instance);
        assert!(!left.exists());
    }

    #[test]
    fn what_was_never_a_home_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let precious = directory.path().join("vms");
        fs::create_dir(&precious).unwrap();
        assert!(matches!(Home::open(directory.path()), Err(HomeError::Foreign { .. })));
        assert!(precious.exists());
    }

    #[test]
    fn a_home_whose_sockets_would_not_fit_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x".repeat(100));
        assert!(matches!(Home::open(&path), Err(HomeError::TooLong { .. })));
    }
}
