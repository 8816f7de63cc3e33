//! One VM's cgroup.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use kiln_helper::{
    Answer, Request,
    cgroup::{is_plain, memory_limit_bytes, of_instance},
};
use tokio::time::{Instant, sleep};

use super::{CgroupUsage, usage::OOM_FILES};
use crate::host::helper::{HelperError, helper};

/// Between two attempts to remove one in which something may still be dying.
const PAUSE: Duration = Duration::from_millis(5);

/// A cgroup by its directories: one for each hierarchy, the one that limits memory first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    directories: Vec<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// Processes are in it, whose ends are somebody else's affair.
    #[error("the cgroup {path} still holds {processes:?} after {limit:?}")]
    Busy { path: PathBuf, processes: Vec<u32>, limit: Duration },
    #[error("the cgroup {path} could not be removed")]
    Io { path: PathBuf, source: io::Error },
}

impl Cgroup {
    pub(super) fn of(directories: Vec<PathBuf>) -> Self {
        Self { directories }
    }

    /// The one whose directories a supervisor wrote down when it was started, if their names are
    /// those of `instance`.
    pub fn recorded(directories: &[PathBuf], instance: &str) -> Option<Self> {
        let parent = of_instance(instance)?;
        let ours = |path: &PathBuf| {
            path.is_absolute()
                && path.parent().and_then(Path::file_name) == Some(parent.as_ref())
                && path.file_name().and_then(|job| job.to_str()).is_some_and(is_plain)
        };
        let ours = !directories.is_empty() && directories.iter().all(ours);
        ours.then(|| Self { directories: directories.to_vec() })
    }

    /// Where a process has to write itself in, each one.
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// The memory that it may have.
    pub fn memory_limit_bytes(&self) -> Option<u64> {
        self.directories.iter().find_map(|directory| memory_limit_bytes(directory))
    }

    /// The file in which the kernel counts those that it killed for memory.
    pub fn oom_file(&self) -> Option<PathBuf> {
        let files =
            self.directories.iter().flat_map(|directory| OOM_FILES.map(|f| directory.join(f)));
        files.into_iter().find(|file| file.is_file())
    }

    /// What has been used so far; it can be asked until the cgroup is removed.
    pub fn usage(&self) -> CgroupUsage {
        let mut usage = CgroupUsage::default();
        for directory in &self.directories {
            usage.read(directory);
        }
        usage
    }

    /// Those who are in it.
    pub fn processes(&self) -> Vec<u32> {
        let listed = |directory: &PathBuf| fs::read_to_string(directory.join("cgroup.procs")).ok();
        let texts: Vec<_> = self.directories.iter().filter_map(listed).collect();
        let numbers =
            texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.parse().ok());
        numbers.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Removes it, waiting up to `limit` for those who are dying in it. One that is not there any
    /// more is removed.
    ///
    /// # Cancel safety
    /// Safe: what is left can be removed again.
    pub async fn remove(&self, limit: Duration) -> Result<(), RemoveError> {
        let deadline = Instant::now() + limit;
        for directory in &self.directories {
            while let Err(error) = remove(directory) {
                let path = directory.clone();
                match error.kind() {
                    io::ErrorKind::NotFound => break,
                    io::ErrorKind::ResourceBusy if Instant::now() < deadline => sleep(PAUSE).await,
                    io::ErrorKind::ResourceBusy => {
                        let processes = self.processes();
                        return Err(RemoveError::Busy { path, processes, limit });
                    }
                    _ => return Err(RemoveError::Io { path, source: error }),
                }
            }
        }
        Ok(())
    }
}

/// One directory of it; the helper removes all that there are.
fn remove(directory: &Path) -> io::Result<()> {
    let (Some(helper), Some(job)) = (helper(), directory.file_name()) else {
        return fs::remove_dir(directory);
    };
    if !directory.is_dir() {
        return Err(io::ErrorKind::NotFound.into());
    }
    match helper.ask(&Request::RemoveCgroup { job: job.to_string_lossy().into_owned() }) {
        Ok(Answer::Done {}) => Ok(()),
        Ok(Answer::Busy { .. }) => Err(io::ErrorKind::ResourceBusy.into()),
        Ok(other) => Err(HelperError::answer(&other).into_io()),
        Err(error) => Err(error.into_io()),
    }
}
