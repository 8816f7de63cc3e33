//! From the store to a registry outside.
//!
//! ```text
//! tree, whole? ─▶ blobs, a few at once: there? mounted? else uploaded ─▶ manifests, children first,
//!                                                                        the name last
//! ```
//! What is sent was verified when it was stored, and its file is as it was then, or the store gives
//! none of it; the registry verifies it again under its digest. An upload that loses its connection
//! goes on where the registry says it has come to.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use futures_util::{TryStreamExt as _, stream};

use super::{Images, OperateError, Place, Progress, Reference, Tree, progress::Meter};
use crate::{
    caller::Caller,
    content::{self, Chunks},
    digest::Digest,
    manifest::Descriptor,
    name::{Host, RepositoryName, Target},
    repository::{Repository, Space},
    store::StoredBlob,
    upstream::{Placed, Session, Source},
};

const BLOBS_AT_ONCE: usize = 4;
/// Repositories that are looked through for one that a blob can be mounted from.
const MOUNTS_LOOKED_AT: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    pub target: Reference,
    pub digest: Digest,
    /// What went over the network; the registry had the rest.
    pub sent: u64,
}

impl Images {
    /// With the credentials of the caller's tenant. Without a target to where its name says.
    pub async fn push(
        &self,
        caller: &Caller,
        source: &Reference,
        target: Option<&Reference>,
        progress: &Progress,
    ) -> Result<Pushed, OperateError> {
        let target = target.unwrap_or(source);
        self.admit(caller, target)?;
        let stored = self.tree(&caller.tenant, source).await?;
        self.send(caller, stored, source, target, progress).await
    }

    /// What is stored in a repository, whoever asked and by whatever name.
    pub(super) async fn send(
        &self,
        caller: &Caller,
        (repository, tree): (Repository, Tree),
        source: &Reference,
        target: &Reference,
        progress: &Progress,
    ) -> Result<Pushed, OperateError> {
        let host = self.admit(caller, target)?;
        self.check_whole(&repository, &tree, source).await?;
        let top =
            tree.top().ok_or_else(|| OperateError::NotFound { reference: source.to_string() })?;
        if target.digest.is_some_and(|digest| digest != top.digest) {
            return Err(OperateError::OtherDigest {
                target: target.to_string(),
                found: top.digest,
            });
        }
        let push = Push {
            images: self,
            session: Session::new(caller.tenant.clone(), host.clone()),
            from: &repository,
            into: &target.name,
            progress,
            sent: AtomicU64::new(0),
        };
        let blobs = stream::iter(tree.blobs.into_iter().map(Ok));
        blobs.try_for_each_concurrent(BLOBS_AT_ONCE, |blob| push.blob(blob)).await?;
        let last = tree.nodes.len() - 1;
        for (index, node) in tree.nodes.iter().enumerate() {
            let by_digest = Target::Digest(node.digest);
            let named = match &target.tag {
                Some(tag) if index == last => Target::Tag(tag.clone()),
                _ => by_digest,
            };
            let (media_type, bytes) = (&node.manifest.media_type, node.bytes.clone());
            let size = bytes.len() as u64;
            self.upstream.put_manifest(&push.session, push.into, &named, media_type, bytes).await?;
            push.sent.fetch_add(size, Ordering::Relaxed);
            Meter::new(progress, node.digest, size).finished();
        }
        let digest = tree.nodes[last].digest;
        Ok(Pushed { target: target.clone(), digest, sent: push.sent.load(Ordering::Relaxed) })
    }

    fn admit<'a>(&self, caller: &Caller, target: &'a Reference) -> Result<&'a Host, OperateError> {
        let Place::Registry(host) = &target.place else {
            return Err(OperateError::PushedToItself { target: target.to_string() });
        };
        let reason = if self.config.is_offline {
            "this host is offline by its operator's word"
        } else if !caller.outside.admits(host) {
            "who asks may not reach it"
        } else {
            return Ok(host);
        };
        Err(OperateError::NotAdmitted { host: host.clone(), reason })
    }
}

struct Push<'a> {
    images: &'a Images,
    session: Session,
    from: &'a Repository,
    into: &'a RepositoryName,
    progress: &'a Progress,
    sent: AtomicU64,
}

impl Push<'_> {
    async fn blob(&self, blob: Descriptor) -> Result<(), OperateError> {
        let Descriptor { digest, size, .. } = blob;
        let stored = self.images.store.blob(self.from, digest).await?;
        let stored = stored.ok_or(OperateError::WentAway { digest })?;
        if stored.size != size {
            return Err(OperateError::OtherSize { digest, expected: size, found: stored.size });
        }
        let mount = self.mount(digest).await?;
        let meter = Arc::new(Mutex::new(Meter::new(self.progress, digest, size)));
        let source = Metered { stored, meter: Arc::clone(&meter) };
        let upstream = &self.images.upstream;
        let placed = upstream
            .push_blob(&self.session, self.into, digest, size, mount.as_ref(), &source)
            .await?;
        let meter = lock(&meter);
        match placed {
            Placed::Existed | Placed::Mounted => meter.present(),
            Placed::Uploaded => {
                self.sent.fetch_add(size, Ordering::Relaxed);
                meter.finished();
            }
        }
        Ok(())
    }

    /// Another repository of the same registry that has it, as far as is known here: the image's own,
    /// or one that the tenant has pulled from.
    async fn mount(&self, digest: Digest) -> Result<Option<RepositoryName>, OperateError> {
        let host = &self.session.host;
        if matches!(&self.from.space, Space::Mirror { host: from } if from == host) {
            return Ok(Some(self.from.name.clone()).filter(|name| name != self.into));
        }
        let names = self.images.store.mirrored_in(host, digest, MOUNTS_LOOKED_AT).await?;
        for name in names {
            let space = Space::Mirror { host: host.clone() };
            let repository = Repository { space, name };
            let is_another = repository.name != *self.into;
            if is_another && self.images.may_read(&self.session.tenant, &repository).await? {
                return Ok(Some(repository.name));
            }
        }
        Ok(None)
    }
}

/// A blob of the store that tells how far it was read.
struct Metered {
    stored: StoredBlob,
    meter: Arc<Mutex<Meter>>,
}

#[async_trait]
impl Source for Metered {
    async fn open(&self, from: u64) -> io::Result<Chunks> {
        lock(&self.meter).at(from);
        let length = self.stored.size.saturating_sub(from);
        let chunks = self.stored.chunks(Some(content::Part { start: from, length }));
        let meter = Arc::clone(&self.meter);
        Ok(Box::pin(chunks.inspect_ok(move |chunk| lock(&meter).add(chunk.len()))))
    }
}

/// Nothing panics while it is held.
fn lock(meter: &Mutex<Meter>) -> std::sync::MutexGuard<'_, Meter> {
    meter.lock().unwrap_or_else(PoisonError::into_inner)
}
