//! The daemon's directory, which one daemon at a time owns.
//!
//! ```text
//! lock          held for as long as the daemon lives
//! instance      the id that every host-visible name of this home carries
//! probes.json   which VMMs were found to run guests here
//! store/        the jobs' records
//! vms/JOB/      sockets and disks of a VM: gone with it, whoever made it
//! jobs/JOB/     the log and the outputs of a job: gone with its record
//! sources/      what was uploaded for jobs
//! registry/     the images of the host: what was pushed, and what was pulled through
//! registry.port where local clients find the registry
//! ```
//!
//! A daemon that died may have left machines that run on: nothing is cleared here. Who comes next
//! takes up what its records name and removes the rest (see `reconcile`).

mod give;

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use kiln_shim::privileges::Keeper;
use rustix::fs::{FlockOperation, flock};

use crate::job::JobId;

/// `sun_path` holds 108 bytes with its end, and the longest name below a VM's directory must fit.
pub(crate) const MAX_PATH_BYTES: usize = 107 - "/vms//".len() - 26 - "vhost-user.sock".len();

const LOCK_PATIENCE: Duration = Duration::from_secs(1);

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
    /// Makes the home at `path` the keeper's, who opens it then. As root.
    pub(crate) fn give(path: &Path, keeper: Keeper) -> Result<(), HomeError> {
        let failed = |source| HomeError::Io { path: path.display().to_string(), source };
        if path.is_dir() && is_foreign(path).map_err(failed)? {
            return Err(HomeError::Foreign { path: path.display().to_string() });
        }
        give::give(path, keeper).map_err(failed)
    }

    /// Takes the home for this process.
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
        match locked(&lock) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(HomeError::InUse { path: path.display().to_string() });
            }
            Err(error) => return Err(failed(&lock_path)(error.into())),
        }
        let instance = instance_id(&instance_path).map_err(failed(&instance_path))?;
        for part in ["store", "vms", "jobs", "sources", "registry"] {
            let part = path.join(part);
            private_directory(&part).map_err(failed(&part))?;
        }
        // Their names last: what is stored below them is not to hang in the air.
        File::open(&path).and_then(|home| home.sync_all()).map_err(failed(&path))?;
        Ok(Self { path, instance, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn instance(&self) -> &str {
        &self.instance
    }

    pub fn store_directory(&self) -> PathBuf {
        self.path.join("store")
    }

    pub fn sources_directory(&self) -> PathBuf {
        self.path.join("sources")
    }

    pub fn registry_directory(&self) -> PathBuf {
        self.path.join("registry")
    }

    /// Of every VM.
    pub fn vms_directory(&self) -> PathBuf {
        self.path.join("vms")
    }

    pub fn vm_directory(&self, id: &JobId) -> PathBuf {
        self.vms_directory().join(id.as_str())
    }

    /// Of every job.
    pub fn jobs_directory(&self) -> PathBuf {
        self.path.join("jobs")
    }

    /// Makes the directory of a job, whose record is on the disk already. One that an earlier daemon
    /// made is as good.
    pub fn make_job_directory(&self, id: &JobId) -> io::Result<PathBuf> {
        let directory = self.job_directory(id);
        private_directory(&directory)?;
        File::open(self.jobs_directory())?.sync_all()?;
        Ok(directory)
    }

    pub fn job_directory(&self, id: &JobId) -> PathBuf {
        self.jobs_directory().join(id.as_str())
    }
}

/// Takes the lock. A daemon that was killed may have had a child between fork and exec, which holds
/// the lock for as long as that takes.
fn locked(lock: &File) -> rustix::io::Result<()> {
    let end = Instant::now() + LOCK_PATIENCE;
    loop {
        match flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < end => {
                thread::sleep(Duration::from_millis(10));
            }
            taken => return taken,
        }
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

/// Nothing is removed below a directory of which we can't tell that it is ours. A lock alone is what
/// a first start leaves that was killed before it had an id.
fn is_foreign(path: &Path) -> io::Result<bool> {
    if path.join("instance").exists() {
        return Ok(false);
    }
    for entry in fs::read_dir(path)? {
        if entry?.file_name() != "lock" {
            return Ok(true);
        }
    }
    Ok(false)
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
        assert!(left.exists(), "a machine may still run in it");
    }

    #[test]
    fn a_first_start_that_was_killed_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("lock"), "").unwrap();
        let home = Home::open(directory.path()).unwrap();
        assert_eq!(home.instance().len(), 8);
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
