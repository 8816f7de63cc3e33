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

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};

use super::{
    MissingSource, Source, SourceHold, SourceHolds, Upload, UploadError,
    budget::{Budget, Reservation, footprint},
    making::Making,
    partial::Partial,
    remnant::{Known, Remnant},
};
use crate::job::{JobSpec, Owner, SourceId};

/// At once: each holds a file open and a part in memory.
const MOST_UPLOADS: usize = 64;
/// What uploads that were cut off have left: of one tenant, and of all.
const MOST_REMNANTS_OF_ONE: usize = 8;
const MOST_REMNANTS: usize = 32;
/// And how much of all that sources may take.
const REMNANTS_SHARE: u64 = 4;

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
    /// The one that was left first comes first. Never locked beside `kept`.
    remnants: Mutex<Vec<Remnant>>,
}

/// What there is of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Source(Source),
    /// So many of them, from which an upload may go on; 0 where there is nothing.
    Part(u64),
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
            remnants: Mutex::new(Vec::new()),
        };
        for entry in fs::read_dir(directory).map_err(failed)? {
            shared.find(&entry.map_err(failed)?.path()).map_err(failed)?;
        }
        let places = Arc::new(Semaphore::new(MOST_UPLOADS));
        Ok(Self { shared: Arc::new(shared), places })
    }

    /// Makes room for an upload. What was announced is refused here when there is no room for it.
    pub async fn begin(&self, owner: Owner, announced: Option<u64>) -> Result<Upload, UploadError> {
        self.begun(move |shared, place| Making::begin(shared, owner, announced, place)).await
    }

    /// The same for what is known before it comes: if it is cut off, it is kept for a while. Behind
    /// an offset it goes on from what another such upload has left.
    pub async fn begin_known(
        &self,
        owner: Owner,
        known: Known,
        offset: u64,
    ) -> Result<Upload, UploadError> {
        self.begun(move |shared, place| match offset {
            0 => Making::begin_known(shared, owner, known, place),
            _ => Making::resume(shared, owner, known, offset, place),
        })
        .await
    }

    async fn begun(
        &self,
        begin: impl FnOnce(Arc<Shared>, OwnedSemaphorePermit) -> Result<Making, UploadError>
        + Send
        + 'static,
    ) -> Result<Upload, UploadError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| UploadError::Busy { most: MOST_UPLOADS })?;
        let shared = Arc::clone(&self.shared);
        let making = spawn_blocking(move || begin(shared, place)).await;
        making.unwrap_or(Err(UploadError::Broken)).map(Upload::new)
    }

    /// What this tenant has brought of these bytes already; nobody else's are told of. A source that
    /// is found is as one that has just been uploaded.
    pub fn find(&self, tenant: &str, known: &Known) -> Found {
        let mut kept = self.shared.lock();
        if let Some(kept) = same(&mut kept, tenant, known) {
            kept.unused_since = SystemTime::now();
            return Found::Source(kept.source.clone());
        }
        drop(kept);
        let remnants = self.shared.remnants();
        let left = remnants.iter().find(|remnant| remnant.is_of(tenant, known));
        Found::Part(left.map_or(0, |remnant| remnant.bytes))
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
        let hold = |(input, id): (usize, &SourceId)| {
            self.hold(tenant, id).ok_or_else(|| MissingSource { input, id: id.clone() })
        };
        spec.sources().enumerate().map(hold).collect::<Result<_, _>>().map(SourceHolds)
    }

    /// Forgets what nobody has held for so long; says what. Blocks.
    pub fn forget_unused(&self, now: SystemTime, unused_for: Duration) -> Vec<SourceId> {
        let is_unused = |kept: &Kept| {
            // A clock that was set back makes nothing older.
            let age = now.duration_since(kept.unused_since).unwrap_or_default();
            kept.holds == 0 && age > unused_for
        };
        let is_old = |remnant: &mut Remnant| {
            now.duration_since(remnant.left_at).unwrap_or_default() > unused_for
        };
        let old: Vec<_> = self.shared.remnants().extract_if(.., is_old).collect();
        old.into_iter().for_each(Remnant::remove);
        // Out of the map under the lock that `hold` takes: from here on nobody can hold them.
        let forgotten: Vec<_> = self.shared.lock().extract_if(|_, kept| is_unused(kept)).collect();
        forgotten.into_iter().filter_map(|(id, kept)| self.shared.remove(id, kept)).collect()
    }

    /// What sources and uploads take of the host's disk.
    pub fn used_bytes(&self) -> u64 {
        self.shared.budget.used()
    }
}

/// The one that was left first of the tenant whose weigh most together: nobody who leaves more than
/// another takes the other's place.
fn take_from_the_largest(
    remnants: &mut Vec<Remnant>,
    weigh: impl Fn(&Remnant) -> u64,
) -> Option<Remnant> {
    let mut weights = HashMap::<&str, u64>::new();
    for remnant in &*remnants {
        *weights.entry(&remnant.owner.tenant).or_default() += weigh(remnant);
    }
    let most = weights.values().copied().max()?;
    let place = remnants.iter().position(|one| weights[&*one.owner.tenant] == most)?;
    Some(remnants.remove(place))
}

fn same<'a>(
    kept: &'a mut HashMap<SourceId, Kept>,
    tenant: &str,
    known: &Known,
) -> Option<&'a mut Kept> {
    kept.values_mut().find(|kept| kept.source.is(tenant, known))
}

impl Shared {
    /// One entry of the directory, at the start.
    fn find(&self, path: &Path) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if Partial::is_name(&name) {
            let left = Partial::found(&self.directory, &name);
            match left.map(|partial| Remnant::load(partial, &self.budget)) {
                Some(Ok(remnant)) => self.leave(remnant),
                // Removed, as it was dropped.
                Some(Err(_)) => {}
                None => fs::remove_dir_all(path)?,
            }
            return Ok(());
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

    /// One that was there before this daemon, which does not know since when it is unused.
    fn insert(&self, source: Source, reservation: Reservation) {
        let unused_since = SystemTime::now();
        let kept = Kept { unused_since, holds: 0, reservation, source };
        self.lock().insert(kept.source.id.clone(), kept);
    }

    /// Unless the tenant has these bytes by now: then this one goes again, and it is that one.
    pub(super) fn insert_once(&self, source: Source, reservation: Reservation) -> Source {
        let (tenant, known) = (source.owner.tenant.clone(), source.known());
        let mut kept = self.lock();
        let published = if let Some(same) = same(&mut kept, &tenant, &known) {
            same.unused_since = SystemTime::now();
            let published = same.source.clone();
            drop(kept);
            let unused_since = source.uploaded_at;
            let id = source.id.clone();
            // One that can't be removed is there, like any other.
            self.remove(id, Kept { source, holds: 0, unused_since, reservation });
            published
        } else {
            let kept_now = Kept { unused_since: source.uploaded_at, holds: 0, reservation, source };
            let published = kept_now.source.clone();
            kept.insert(published.id.clone(), kept_now);
            published
        };
        let is_whole = |remnant: &mut Remnant| remnant.is_of(&tenant, &known);
        let whole: Vec<_> = self.remnants().extract_if(.., is_whole).collect();
        whole.into_iter().for_each(Remnant::remove);
        published
    }

    /// As fresh as an upload.
    pub(super) fn same_as(&self, source: &Source) -> Option<Source> {
        let mut kept = self.lock();
        let same = same(&mut kept, &source.owner.tenant, &source.known())?;
        same.unused_since = SystemTime::now();
        Some(same.source.clone())
    }

    /// Keeps it for who comes back, within bounds: what was left first of whoever has most goes first.
    pub(super) fn leave(&self, remnant: Remnant) {
        let mut gone = Vec::new();
        {
            let mut remnants = self.remnants();
            let is_same = |other: &Remnant| other.is_of(&remnant.owner.tenant, &remnant.known);
            match remnants.iter().position(is_same) {
                Some(place) if remnants[place].bytes >= remnant.bytes => gone.push(remnant),
                Some(place) => {
                    gone.push(remnants.remove(place));
                    remnants.push(remnant);
                }
                None => remnants.push(remnant),
            }
            let of_tenant = |remnants: &[Remnant]| {
                let newest = remnants.last().map(|remnant| remnant.owner.tenant.clone());
                let is_theirs = |other: &&Remnant| Some(&other.owner.tenant) == newest.as_ref();
                let first = remnants.iter().position(|other| is_theirs(&other));
                let count = remnants.iter().filter(is_theirs).count();
                first.filter(|_| count > MOST_REMNANTS_OF_ONE)
            };
            if let Some(place) = of_tenant(&remnants) {
                gone.push(remnants.remove(place));
            }
            while remnants.len() > MOST_REMNANTS {
                gone.extend(take_from_the_largest(&mut remnants, |_| 1));
            }
            let most_bytes = self.total_bytes / REMNANTS_SHARE;
            while remnants.iter().map(Remnant::footprint).sum::<u64>() > most_bytes {
                gone.extend(take_from_the_largest(&mut remnants, Remnant::footprint));
            }
        }
        gone.into_iter().for_each(Remnant::remove);
    }

    pub(super) fn take_remnant(
        &self,
        tenant: &str,
        known: &Known,
        offset: u64,
    ) -> Result<Remnant, UploadError> {
        let mut remnants = self.remnants();
        let place = remnants.iter().position(|remnant| remnant.is_of(tenant, known));
        let kept = place.map_or(0, |place| remnants[place].bytes);
        match place.filter(|_| kept >= offset) {
            Some(place) => Ok(remnants.remove(place)),
            None => Err(UploadError::NotThere { offset, kept }),
        }
    }

    /// For an upload that is to come.
    pub(super) fn reserve(self: &Arc<Self>, size_bytes: u64) -> Result<Reservation, UploadError> {
        if let Some(reservation) = self.budget.reserve(footprint(size_bytes)) {
            return Ok(reservation);
        }
        self.make_room(size_bytes, 0)?;
        self.budget.reserve(footprint(size_bytes)).ok_or_else(|| self.over_budget(size_bytes))
    }

    /// What is kept for who may come back gives way to who is here.
    pub(super) fn make_room(&self, size_bytes: u64, has: u64) -> Result<(), UploadError> {
        let more = footprint(size_bytes).saturating_sub(has);
        let fits = || self.budget.used().saturating_add(more) <= self.total_bytes;
        while !fits() {
            let first = take_from_the_largest(&mut self.remnants(), Remnant::footprint);
            first.ok_or_else(|| self.over_budget(size_bytes))?.remove();
        }
        Ok(())
    }

    fn remnants(&self) -> MutexGuard<'_, Vec<Remnant>> {
        // As below.
        self.remnants.lock().unwrap_or_else(PoisonError::into_inner)
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
