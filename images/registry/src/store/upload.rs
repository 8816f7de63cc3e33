//! Uploads: begun, appended to in any number of pieces, finished under a digest or cancelled.
//!
//! An upload is two files: what was sent, and where it belongs. Its offset is the length of the
//! first, so there is nothing that could disagree with it, and a restart goes on where the last
//! byte was written. What a restart has not hashed itself is read again in the end.

use std::{
    collections::HashMap,
    fmt,
    fs::{self, File},
    future::poll_fn,
    path::PathBuf,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{self, watch};

use super::{
    Store, StoreError, files,
    inner::Inner,
    place,
    pour::Pour,
    quota::Payer,
    spool::{Progress, Spool},
};
use crate::{
    content::Chunks,
    digest::Digest,
    repository::{Repository, Space},
};

/// Nobody guesses one: 32 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UploadId(String);

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UploadId {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 32 && text.bytes().all(is_hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(StoreError::NoUpload)
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<HashMap<UploadId, Upload>>);

#[derive(Clone, Debug)]
struct Upload {
    repository: Repository,
    spool: Arc<sync::Mutex<Spool>>,
    progress: watch::Receiver<Progress>,
}

impl Store {
    pub async fn begin_upload(&self, repository: &Repository) -> Result<UploadId, StoreError> {
        let repository = repository.clone();
        self.run(move |inner| Uploads::begin(inner, &repository)).await
    }

    /// How many are open to repositories of a space.
    pub fn uploads_to(&self, space: &Space) -> usize {
        self.inner.uploads.all().values().filter(|upload| upload.repository.space == *space).count()
    }

    /// How many bytes there are of it. None: there is no such upload to this repository.
    #[expect(clippy::unused_async, reason = "as all that may have to look at the disk")]
    pub async fn upload(
        &self,
        repository: &Repository,
        id: &UploadId,
    ) -> Result<Option<u64>, StoreError> {
        let upload = self.inner.uploads.get(repository, id);
        Ok(upload.map(|upload| upload.progress.borrow().written))
    }

    /// Answers the new offset. One that does not go on at the last byte is refused and spoils
    /// nothing. What came before the content broke off is kept.
    pub async fn append(
        &self,
        repository: &Repository,
        id: &UploadId,
        at: Option<u64>,
        mut chunks: Chunks,
    ) -> Result<u64, StoreError> {
        let upload = self.inner.uploads.get(repository, id).ok_or(StoreError::NoUpload)?;
        let mut pour = Pour::begin(upload.spool).await;
        // It may have been finished while another was waited for.
        self.inner.uploads.get(repository, id).ok_or(StoreError::NoUpload)?;
        let offset = pour.idle().map_or(0, |spool| spool.written());
        if at.is_some_and(|at| at != offset) {
            return Err(StoreError::OutOfOrder { offset });
        }
        let poured = pour_all(&mut pour, &mut chunks).await;
        let finished = match poured {
            Ok(broken) => pour.finish().await.map(|spool| (spool, broken)),
            Err(error) => Err(error),
        };
        match finished {
            Ok((mut spool, broken)) => {
                spool.close();
                broken.map_or_else(|| Ok(spool.written()), Err)
            }
            Err(error) => {
                // The piece was refused: nothing of it stays.
                pour.cut(offset).await?;
                Err(error)
            }
        }
    }

    /// Answers the size.
    pub async fn finish_upload(
        &self,
        repository: &Repository,
        id: &UploadId,
        digest: Digest,
    ) -> Result<u64, StoreError> {
        let upload = self.inner.uploads.get(repository, id).ok_or(StoreError::NoUpload)?;
        let mut spool = upload.spool.lock_owned().await;
        let (repository, id) = (repository.clone(), id.clone());
        self.run(move |inner| {
            inner.uploads.get(&repository, &id).ok_or(StoreError::NoUpload)?;
            let found = spool.digest()?;
            if found != digest {
                inner.uploads.remove(inner, &id, &mut spool)?;
                return Err(StoreError::OtherDigest { expected: digest, found });
            }
            let blob = place::place(inner, &mut spool, &repository, digest)?;
            inner.uploads.remove(inner, &id, &mut spool)?;
            Ok(blob.size)
        })
        .await
    }

    /// False: there is no such upload to this repository.
    pub async fn cancel_upload(
        &self,
        repository: &Repository,
        id: &UploadId,
    ) -> Result<bool, StoreError> {
        let Some(upload) = self.inner.uploads.get(repository, id) else { return Ok(false) };
        let mut spool = upload.spool.lock_owned().await;
        let (repository, id) = (repository.clone(), id.clone());
        self.run(move |inner| {
            if inner.uploads.get(&repository, &id).is_none() {
                return Ok(false);
            }
            inner.uploads.remove(inner, &id, &mut spool)?;
            Ok(true)
        })
        .await
    }
}

/// Answers how the content broke off, if it did.
async fn pour_all(pour: &mut Pour, chunks: &mut Chunks) -> Result<Option<StoreError>, StoreError> {
    while let Some(chunk) = poll_fn(|context| chunks.as_mut().poll_next(context)).await {
        match chunk {
            Ok(bytes) => pour.push(bytes).await?,
            Err(error) => return Ok(Some(StoreError::Stream(Arc::new(error)))),
        }
    }
    Ok(None)
}

impl Uploads {
    /// Those of the process before.
    pub(super) fn find(inner: &Arc<Inner>) -> Result<(), StoreError> {
        let directory = inner.files.uploads();
        let failed = |error| StoreError::io(&directory, error);
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let stem = name.strip_suffix(".json").unwrap_or(name);
            let (data, note) = (directory.join(stem), directory.join(format!("{stem}.json")));
            let id = stem.parse::<UploadId>();
            let noted = fs::read(&note).ok().and_then(|note| serde_json::from_slice(&note).ok());
            match (id, noted, data.exists()) {
                (Ok(id), Some(repository), true) => inner.uploads.add(inner, id, repository)?,
                // It was being made or removed, or was finished but for this.
                _ => {
                    files::remove(&data)?;
                    files::remove(&note)?;
                }
            }
        }
        Ok(())
    }

    fn begin(inner: &Arc<Inner>, repository: &Repository) -> Result<UploadId, StoreError> {
        let directory = inner.files.uploads();
        let mut random = [0; 32];
        rustix::rand::getrandom(&mut random[..16], rustix::rand::GetRandomFlags::empty())
            .map_err(|error| StoreError::io(&directory, error.into()))?;
        let mut id = Digest::from_bytes(random).hex();
        id.truncate(32);
        let id = UploadId(id);
        let note = note(inner, &id);
        let text = serde_json::to_vec(repository).unwrap_or_default();
        if let Err(error) = fs::write(&note, text) {
            files::remove(&note)?;
            return Err(StoreError::io(&note, error));
        }
        if let Err(error) = inner.uploads.add(inner, id.clone(), repository.clone()) {
            files::remove(&note)?;
            return Err(error);
        }
        Ok(id)
    }

    fn add(
        &self,
        inner: &Arc<Inner>,
        id: UploadId,
        repository: Repository,
    ) -> Result<(), StoreError> {
        if self.all().contains_key(&id) {
            return Ok(());
        }
        let mut spool = Spool::open(inner, &data(inner, &id), Payer::of(&repository.space), None)?;
        spool.close();
        let progress = spool.progress();
        let spool = Arc::new(sync::Mutex::new(spool));
        self.all().insert(id, Upload { repository, spool, progress });
        Ok(())
    }

    fn get(&self, repository: &Repository, id: &UploadId) -> Option<Upload> {
        self.all().get(id).filter(|upload| upload.repository == *repository).cloned()
    }

    /// The note goes last: what is left without one is removed at the next start.
    fn remove(&self, inner: &Inner, id: &UploadId, spool: &mut Spool) -> Result<(), StoreError> {
        self.all().remove(id);
        spool.remove()?;
        files::remove(&note(inner, id))
    }

    /// Those that nobody has gone on with for so long.
    pub(super) fn expire(&self, inner: &Inner, age: Duration) -> Result<(), StoreError> {
        let all: Vec<_> =
            self.all().iter().map(|(id, upload)| (id.clone(), upload.clone())).collect();
        for (id, upload) in all {
            let Ok(mut spool) = upload.spool.try_lock() else { continue };
            let modified = File::open(spool.path())
                .and_then(|file| file.metadata())
                .and_then(|metadata| metadata.modified());
            let idle = modified.ok().and_then(|modified| modified.elapsed().ok());
            if idle.is_some_and(|idle| idle >= age) {
                self.remove(inner, &id, &mut spool)?;
            }
        }
        Ok(())
    }

    fn all(&self) -> MutexGuard<'_, HashMap<UploadId, Upload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn data(inner: &Inner, id: &UploadId) -> PathBuf {
    inner.files.uploads().join(&id.0)
}

fn note(inner: &Inner, id: &UploadId) -> PathBuf {
    inner.files.uploads().join(format!("{id}.json"))
}
