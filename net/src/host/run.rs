//! What is written down for the next daemon of this home, and for the others of this host, before it
//! is done.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    process::geteuid,
};
use serde::{Deserialize, Serialize};

use crate::plan::Cidr;

const BOOT: &str = "/proc/sys/kernel/random/boot_id";
const LOCK: &str = "lock";
/// Far more than anybody holds it for.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(2);

/// What one daemon has changed on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) blocks: Vec<BlockRules>,
    #[serde(default)]
    pub(super) ways: Vec<WayRules>,
    /// In the order in which they were set.
    pub(super) switches: Vec<Switch>,
    /// Whether all links forwarded anyway, before the first was made to.
    pub(super) forwards: Option<String>,
}

/// The rules for one block have this priority and the one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockRules {
    pub(super) block: Cidr,
    /// Whether what has our mark goes on.
    pub(super) is_pool: bool,
    pub(super) priority: u32,
}

/// The same for a link that is to let nothing through but answers to machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WayRules {
    pub(super) link: String,
    pub(super) is_six: bool,
    pub(super) priority: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    pub(super) name: String,
    pub(super) before: String,
    pub(super) now: String,
}

/// A state belongs to one life of one kernel, and one namespace of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    boot: String,
    namespace: u64,
    state: State,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{path} could not be used")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is not understood; look what it says, undo that, and remove it")]
    Garbled { path: PathBuf, source: serde_json::Error },
    #[error("others than root may change {path}: remove it, or give it to root alone")]
    Shared { path: PathBuf },
    #[error("{path} is held by another daemon for too long")]
    Locked { path: PathBuf },
}

#[derive(Debug)]
pub(super) struct Run {
    directory: PathBuf,
    file: PathBuf,
    boot: String,
    namespace: u64,
}

/// Held while it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: OwnedFd,
}

/// Whether a daemon of this home has changed something and not undone it, in whichever namespace.
pub(super) fn is_written(directory: &Path, instance: &str) -> bool {
    file(directory, instance).exists()
}

fn file(directory: &Path, instance: &str) -> PathBuf {
    directory.join(format!("{instance}.json"))
}

impl Run {
    pub(super) fn open(directory: &Path, instance: &str, namespace: u64) -> Result<Self, RunError> {
        let failed = |source| RunError::Io { path: directory.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o755).create(directory).map_err(failed)?;
        // What it says is done as root.
        let found = fs::symlink_metadata(directory).map_err(failed)?;
        if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o022 != 0 {
            return Err(RunError::Shared { path: directory.to_owned() });
        }
        let boot = fs::read_to_string(BOOT).map_err(failed)?.trim().to_owned();
        let file = file(directory, instance);
        Ok(Self { directory: directory.to_owned(), file, boot, namespace })
    }

    /// For one step that must be alone on this host.
    pub(super) fn lock(&self) -> Result<Lock, RunError> {
        let path = self.directory.join(LOCK);
        let failed = |source: io::Error| RunError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock { _file: file.into() }),
                Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < deadline => {
                    thread::sleep(PAUSE);
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => return Err(RunError::Locked { path }),
                Err(error) => return Err(failed(error.into())),
            }
        }
    }

    /// Of an earlier daemon of this home; of another life of the kernel nothing is left to undo.
    pub(super) fn read(&self) -> Result<State, RunError> {
        Ok(self.read_of(&self.file)?.unwrap_or_default())
    }

    fn read_of(&self, path: &Path) -> Result<Option<State>, RunError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RunError::Io { path: path.to_owned(), source }),
        };
        let garbled = |source| RunError::Garbled { path: path.to_owned(), source };
        let written: Written = serde_json::from_slice(&text).map_err(garbled)?;
        let is_ours = written.boot == self.boot && written.namespace == self.namespace;
        Ok(is_ours.then_some(written.state))
    }

    pub(super) fn write(&self, state: &State) -> Result<(), RunError> {
        self.write_to(&self.file, state)
    }

    fn write_to(&self, path: &Path, state: &State) -> Result<(), RunError> {
        let failed = |source| RunError::Io { path: path.to_owned(), source };
        let (boot, namespace) = (self.boot.clone(), self.namespace);
        let written = Written { boot, namespace, state: state.clone() };
        let text = serde_json::to_vec(&written).map_err(|error| failed(error.into()))?;
        let new = path.with_extension("new");
        fs::write(&new, text).map_err(failed)?;
        File::open(&new).and_then(|file| file.sync_all()).map_err(failed)?;
        fs::rename(&new, path).map_err(failed)
    }

    /// What other daemons have changed, as far as it is of this life of this namespace. Under the
    /// lock.
    pub(super) fn others(&self) -> Result<Vec<State>, RunError> {
        Ok(self.states_of_others()?.into_iter().map(|(_, state)| state).collect())
    }

    fn states_of_others(&self) -> Result<Vec<(PathBuf, State)>, RunError> {
        let failed = |source| RunError::Io { path: self.directory.clone(), source };
        let mut states = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path == self.file || path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            if let Some(state) = self.read_of(&path)? {
                states.push((path, state));
            }
        }
        Ok(states)
    }

    /// Another daemon that counts on this switch too becomes the one who sets it back, and knows
    /// what was so before both. Under the lock.
    pub(super) fn hand_over(&self, switch: &Switch, own: &State) -> Result<bool, RunError> {
        for (path, mut state) in self.states_of_others()? {
            let theirs = state.switches.iter_mut().find(|theirs| theirs.name == switch.name);
            if let Some(theirs) = theirs {
                theirs.before.clone_from(&switch.before);
                state.forwards.clone_from(&own.forwards);
                self.write_to(&path, &state)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn forget(&self) -> Result<(), RunError> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(RunError::Io { path: self.file.clone(), source: error })
            }
            _ => Ok(()),
        }
    }
}

/// Since some time ago.
pub(super) fn seconds() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs() & u64::from(u32::MAX)).unwrap_or(0)
}
