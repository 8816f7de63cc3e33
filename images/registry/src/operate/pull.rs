//! From a registry outside into the store, through the mirror: with its rights, and its verification.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Image, Images, OperateError, Place, Platforms, Progress, Reference, Shelf, Tree,
    progress::Meter,
};
use crate::{
    caller::Caller,
    content,
    digest::Digest,
    manifest::{Descriptor, Manifest},
    mirror::{Extent, Mirror},
    name::{Host, RepositoryName, Target},
    problem::{Code, Problem},
    record::Origin,
    repository::Repository,
    store::StoreError,
};

const BLOBS_AT_ONCE: usize = 4;

/// The mirror, as far as a pull needs it.
#[async_trait]
pub(crate) trait Bring: Send + Sync {
    async fn manifest(
        &self,
        caller: &Caller,
        host: &Host,
        name: &RepositoryName,
        target: &Target,
    ) -> Result<content::Manifest, Problem>;

    async fn blob(
        &self,
        caller: &Caller,
        host: &Host,
        name: &RepositoryName,
        digest: Digest,
    ) -> Result<content::Blob, Problem>;
}

#[async_trait]
impl Bring for Mirror {
    async fn manifest(
        &self,
        caller: &Caller,
        host: &Host,
        name: &RepositoryName,
        target: &Target,
    ) -> Result<content::Manifest, Problem> {
        self.manifest(caller, host, name, target).await
    }

    async fn blob(
        &self,
        caller: &Caller,
        host: &Host,
        name: &RepositoryName,
        digest: Digest,
    ) -> Result<content::Blob, Problem> {
        self.blob(caller, host, name, digest, Extent::Whole).await
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    pub image: Image,
    /// What came over the network.
    pub fetched: u64,
    /// The registry did not answer: the tag may mean something else by now.
    pub is_stale: bool,
}

impl Images {
    pub async fn pull(
        &self,
        caller: &Caller,
        reference: &Reference,
        platforms: &Platforms,
        progress: &Progress,
    ) -> Result<Pulled, OperateError> {
        let Place::Registry(host) = &reference.place else {
            return Err(OperateError::NotOutside { reference: reference.to_string() });
        };
        let pull = Pull {
            images: self,
            caller,
            reference,
            host,
            repository: reference.repository(&caller.tenant),
            progress,
            fetched: AtomicU64::new(0),
            is_stale: AtomicBool::new(false),
        };
        let top = pull.bring(&reference.target()).await?;
        let descriptor = Descriptor::new(&top.media_type, top.digest, top.bytes.len() as u64);
        for wanted in pull.wanted(&descriptor, &top.bytes, platforms)? {
            let tree = Tree::grow(&pull, &wanted).await?;
            let tree = tree.ok_or_else(|| pull.not_found())?;
            pull.blobs(tree).await?;
        }
        let is_stale = pull.is_stale.load(Ordering::Relaxed);
        let image = self.stored(&caller.tenant, reference).await?;
        Ok(Pulled { image, fetched: pull.fetched.load(Ordering::Relaxed), is_stale })
    }
}

struct Pull<'a> {
    images: &'a Images,
    caller: &'a Caller,
    reference: &'a Reference,
    host: &'a Host,
    repository: Repository,
    progress: &'a Progress,
    fetched: AtomicU64,
    is_stale: AtomicBool,
}

#[async_trait]
impl Shelf for Pull<'_> {
    async fn manifest(&self, digest: Digest) -> Result<Option<Bytes>, OperateError> {
        match self.bring(&Target::Digest(digest)).await {
            Ok(manifest) => Ok(Some(manifest.bytes)),
            // An index may name blobs as well.
            Err(OperateError::Mirror { problem, .. }) if problem.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Pull<'_> {
    async fn bring(&self, target: &Target) -> Result<content::Manifest, OperateError> {
        let name = &self.reference.name;
        let manifest = self.images.mirror.manifest(self.caller, self.host, name, target).await;
        let manifest = manifest.map_err(|problem| self.failed(problem))?;
        let size = manifest.bytes.len() as u64;
        let meter = Meter::new(self.progress, manifest.digest, size);
        match manifest.origin {
            Origin::Fetched => {
                self.fetched.fetch_add(size, Ordering::Relaxed);
                meter.finished();
            }
            Origin::Local | Origin::Confirmed => meter.present(),
            Origin::Stale => {
                self.is_stale.store(true, Ordering::Relaxed);
                meter.present();
            }
        }
        Ok(manifest)
    }

    /// The image itself, or of an index the ones that are wanted.
    fn wanted(
        &self,
        top: &Descriptor,
        bytes: &[u8],
        platforms: &Platforms,
    ) -> Result<Vec<Descriptor>, OperateError> {
        let digest = top.digest;
        let manifest = Manifest::parse(Some(&top.media_type), bytes)
            .map_err(|source| OperateError::Manifest { digest, source })?;
        if !manifest.is_index() || *platforms == Platforms::All {
            return Ok(vec![top.clone()]);
        }
        let chosen = platforms.choose(manifest.manifests());
        if chosen.is_empty() {
            return Err(no_platform(self.reference, platforms, &manifest));
        }
        Ok(chosen.into_iter().cloned().collect())
    }

    async fn blobs(&self, tree: Tree) -> Result<(), OperateError> {
        if let Some(absent) = tree.absent.first() {
            let message = format!("the registry names {}, and does not have it", absent.digest);
            return Err(self.failed(Problem::new(Code::ManifestUnknown, 404, message)));
        }
        let blobs = stream::iter(tree.blobs.into_iter().map(Ok));
        blobs.try_for_each_concurrent(BLOBS_AT_ONCE, |blob| self.blob(blob)).await
    }

    async fn blob(&self, blob: Descriptor) -> Result<(), OperateError> {
        let digest = blob.digest;
        let mut meter = Meter::new(self.progress, digest, blob.size);
        let stored = self.images.stored_blobs(&self.repository, std::slice::from_ref(&blob));
        if stored.await?.contains_key(&digest) {
            meter.present();
            return Ok(());
        }
        let name = &self.reference.name;
        let brought = self.images.mirror.blob(self.caller, self.host, name, digest).await;
        let mut brought = brought.map_err(|problem| self.failed(problem))?;
        if brought.size != blob.size {
            let (expected, found) = (blob.size, brought.size);
            return Err(OperateError::OtherSize { digest, expected, found });
        }
        let is_fetched = brought.origin == Origin::Fetched;
        while let Some(chunk) = brought.chunks.next().await {
            let chunk = chunk.map_err(|error| StoreError::Stream(Arc::new(error)))?;
            if is_fetched {
                self.fetched.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            }
            meter.add(chunk.len());
        }
        meter.finished();
        Ok(())
    }

    fn failed(&self, problem: Problem) -> OperateError {
        OperateError::Mirror {
            reference: self.reference.to_string(),
            host: self.host.clone(),
            repository: self.reference.name.to_string(),
            problem: Box::new(problem),
        }
    }

    fn not_found(&self) -> OperateError {
        OperateError::NotFound { reference: self.reference.to_string() }
    }
}

pub(crate) fn no_platform(
    reference: &Reference,
    wanted: &Platforms,
    index: &Manifest,
) -> OperateError {
    let platforms = index.manifests().iter().filter_map(|entry| entry.platform.as_ref());
    let found = platforms.map(ToString::to_string).take(64).collect();
    OperateError::NoPlatform { reference: reference.to_string(), wanted: wanted.to_string(), found }
}
