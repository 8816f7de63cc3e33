//! The sources of this host.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::Semaphore;

use super::{
    MissingSource, Source, SourceHold, SourceHolds, Upload, UploadError,
    budget::{Budget, Reservation, footprint},
    partial::Partial,
    upload::{Making, blocking},
};
use crate::job::{InputDisk, JobSpec, Owner, SourceId};

/// At once: each holds a file open and a part in memory.
const MOST_UPLOADS: usize = 64;

#[derive(Debug, thiserror::Error)]
#[error("the directory of sources {path} could not be used")]
pub struct SourcesError {
    pub path: PathBuf,
    pub source: io::Error,
}

/// Clones are the same registry.
#[derive(Clone, Debug)]
pub struct Sources {
    pub(super) shared: Arc<Shared>,
    places: Arc<Semaphore>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) directory: PathBuf,
    pub(super) budget: Arc<Budget>,
    total_bytes: u64,
    kept: Mutex<HashMap<SourceId, Kept>>,
}

#[derive(Debug)]
struct Kept {
    source: Source,
    holds: usize,
    /// Of the upload, or of the last hold's end.
    unused_since: SystemTime,
    reservation: Reservation,
}

impl Sources {
    /// Finds what is there, and removes what an upload that was cut off has left. All sources
    /// together may take `budget_bytes` of the disk; blocks.
    pub fn open(directory: &Path, budget_bytes: u64) -> Result<Self, SourcesError> {
        let failed = |source| SourcesError { path: directory.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let shared = Shared {
            directory: directory.to_owned(),
            budget: Budget::new(budget_bytes),
            total_bytes: budget_bytes,
            kept: Mutex::new(HashMap::new()),
        };
        for entry in fs::read_dir(directory).map_err(failed)? {
            shared.find(&entry.map_err(failed)?.path()).map_err(failed)?;
        }
        let places = Arc::new(Semaphore::new(MOST_UPLOADS));
        Ok(Self { shared: Arc::new(shared), places })
    }

    /// Makes room for an upload. What was announced is refused here when there is no room for it.
    pub async fn begin(&self, owner: Owner, announced: Option<u64>) -> Result<Upload, UploadError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| UploadError::Busy { most: MOST_UPLOADS })?;
        let shared = Arc::clone(&self.shared);
        blocking(move || Making::begin(shared, owner, announced, place)).await.map(Upload::new)
    }

    /// A source of this tenant; another tenant's is none.
    pub fn get(&self, tenant: &str, id: &SourceId) -> Option<Source> {
        let kept = self.shared.lock();
        kept.get(id)
            .map(|kept| &kept.source)
            .filter(|source| source.owner.tenant == tenant)
            .cloned()
    }

    /// Keeps a source of this tenant for a job. Taken before the job is durable and let go of when
    /// it has ended, so that no job that could still run finds its source gone.
    pub fn hold(&self, tenant: &str, id: &SourceId) -> Option<SourceHold> {
        let mut kept = self.shared.lock();
        let kept = kept.get_mut(id).filter(|kept| kept.source.owner.tenant == tenant)?;
        kept.holds += 1;
        Some(SourceHold::new(kept.source.clone(), Arc::clone(&self.shared)))
    }

    /// Keeps every source that a job of this tenant names.
    pub fn hold_inputs(&self, tenant: &str, spec: &JobSpec) -> Result<SourceHolds, MissingSource> {
        let hold = |(input, disk): (usize, &InputDisk)| {
            let id = &disk.source;
            self.hold(tenant, id).ok_or_else(|| MissingSource { input, id: id.clone() })
        };
        spec.inputs.iter().enumerate().map(hold).collect::<Result<_, _>>().map(SourceHolds)
    }

    /// Forgets what nobody has held for so long; says what. Blocks.
    pub fn forget_unused(&self, now: SystemTime, unused_for: Duration) -> Vec<SourceId> {
        let is_unused = |kept: &Kept| {
            // A clock that was set back makes nothing older.
            let age = now.duration_since(kept.unused_since).unwrap_or_default();
            kept.holds == 0 && age > unused_for
        };
        // Out of the map under the lock that `hold` takes: from here on nobody can hold them.
        let forgotten: Vec<_> = self.shared.lock().extract_if(|_, kept| is_unused(kept)).collect();
        forgotten.into_iter().filter_map(|(id, kept)| self.shared.remove(id, kept)).collect()
    }

    /// What sources and uploads take of the host's disk.
    pub fn used_bytes(&self) -> u64 {
        self.shared.budget.used()
    }
}

impl Shared {
    /// One entry of the directory, at the start.
    fn find(&self, path: &Path) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if Partial::is_name(&name) {
            return fs::remove_dir_all(path);
        }
        let Ok(id) = name.parse::<SourceId>() else {
            tracing::warn!(path = %path.display(), "not a source, and left alone");
            return Ok(());
        };
        match Source::load(path, id) {
            Ok(source) => {
                let reservation = self.budget.charge(footprint(source.size_bytes));
                self.insert(source, reservation);
                Ok(())
            }
            // None of ours looks so: it was altered, or the file system has lost a part of it.
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "a damaged source is removed");
                fs::remove_dir_all(path)
            }
        }
    }

    pub(super) fn insert(&self, source: Source, reservation: Reservation) {
        let kept = Kept { unused_since: source.uploaded_at, holds: 0, reservation, source };
        self.lock().insert(kept.source.id.clone(), kept);
    }

    pub(super) fn let_go(&self, id: &SourceId) {
        if let Some(kept) = self.lock().get_mut(id) {
            kept.holds -= 1;
            kept.unused_since = SystemTime::now();
        }
    }

    pub(super) fn over_budget(&self, size_bytes: u64) -> UploadError {
        let free_bytes = self.total_bytes.saturating_sub(self.budget.used());
        UploadError::OverBudget { size_bytes, free_bytes }
    }

    /// `None` when it could not be removed; then it is there again.
    fn remove(&self, id: SourceId, kept: Kept) -> Option<SourceId> {
        match Partial::of_source(&self.directory, &id) {
            // Dropped here, before its part of the budget.
            Ok(partial) => drop(partial),
            Err(error) => {
                tracing::error!(source = %id, %error, "an unused source could not be removed");
                self.lock().insert(id, kept);
                return None;
            }
        }
        drop(kept.reservation);
        Some(id)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SourceId, Kept>> {
        // Every change is one insert, remove or count: a panic elsewhere leaves the map whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
