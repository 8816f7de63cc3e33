//! Names given and taken away.

use std::time::Duration;

use super::{Image, Images, OperateError, Place, Reference, Tree};
use crate::{
    digest::Digest,
    name::{Tag, Target},
    repository::{Repository, Space},
    store::{Collected, StoreError},
};

/// What was put less than this ago stays: somebody may be in the middle of a push.
const PUSHING: Duration = Duration::from_secs(60);

/// What a prune has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Manifests.
    pub images: u64,
    pub blobs: u64,
    pub bytes: u64,
}

impl Images {
    /// One more name, of the tenant's own, for what is stored whole. Nothing is copied.
    pub async fn tag(
        &self,
        tenant: &str,
        source: &Reference,
        target: &Reference,
    ) -> Result<Image, OperateError> {
        let tag = own_tag(target)?;
        let (from, tree) = self.tree(tenant, source).await?;
        self.check_whole(&from, &tree, source).await?;
        let into = target.repository(tenant);
        self.name(&tree, &into, Some(tag)).await?;
        self.stored(tenant, target).await
    }

    /// A tag, or by digest an image with all tags that mean it: what is gone. Its bytes go with a
    /// collection, where nothing else needs them.
    pub async fn remove(
        &self,
        tenant: &str,
        reference: &Reference,
    ) -> Result<Vec<Reference>, OperateError> {
        let repository = reference.repository(tenant);
        let not_found = || OperateError::NotFound { reference: reference.to_string() };
        if !self.may_read(tenant, &repository).await? {
            return Err(not_found());
        }
        let (removed, is_gone) = match reference.target() {
            Target::Tag(tag) => {
                let is_gone = self.store.delete_tag(&repository, &tag).await?;
                (vec![reference.with(Target::Tag(tag))], is_gone)
            }
            Target::Digest(digest) => {
                let tags = self.tags_of(&repository, digest).await?;
                let is_gone = self.store.delete_manifest(&repository, digest).await?;
                let tags = tags.into_iter().map(Target::Tag);
                let all = tags.chain([Target::Digest(digest)]);
                (all.map(|target| reference.with(target)).collect(), is_gone)
            }
        };
        if is_gone { Ok(removed) } else { Err(not_found()) }
    }

    /// Images that no tag leads to, and with `mirrored` all that came from registries outside; then
    /// the bytes that nothing needs any more.
    pub async fn prune(&self, tenant: &str, mirrored: bool) -> Result<Pruned, OperateError> {
        let mut images = 0;
        let mut at = None::<Repository>;
        loop {
            let batch = self.repositories(tenant, at.as_ref()).await?;
            for repository in &batch {
                let is_own = matches!(repository.space, Space::Local { .. });
                if is_own {
                    images += self.store.drop_untagged(repository, PUSHING).await?;
                } else if mirrored && self.may_read(tenant, repository).await? {
                    images += self.store.drop_repository(repository).await?;
                }
            }
            match batch.into_iter().next_back() {
                Some(last) => at = Some(last),
                None => break,
            }
        }
        let Collected { blobs, bytes } = self.store.collect().await?;
        Ok(Pruned { images, blobs, bytes })
    }

    async fn tags_of(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<Vec<Tag>, OperateError> {
        const BATCH: usize = 1000;
        let (mut found, mut after) = (Vec::new(), None::<Tag>);
        loop {
            let tags = self.store.tags(repository, after.as_ref().map(Tag::as_str), BATCH).await?;
            for tag in &tags {
                let means = self.store.manifest(repository, &Target::Tag(tag.clone())).await?;
                if means.is_some_and(|manifest| manifest.digest == digest) {
                    found.push(tag.clone());
                }
            }
            match tags.into_iter().next_back() {
                Some(last) => after = Some(last),
                None => return Ok(found),
            }
        }
    }

    /// All of it is in that repository of the store.
    pub(crate) async fn check_whole(
        &self,
        repository: &Repository,
        tree: &Tree,
        reference: &Reference,
    ) -> Result<(), OperateError> {
        let incomplete =
            |missing| OperateError::Incomplete { reference: reference.to_string(), missing };
        if let Some(absent) = tree.absent.first() {
            return Err(incomplete(absent.digest));
        }
        let stored = self.stored_blobs(repository, &tree.blobs).await?;
        match tree.blobs.iter().find(|blob| !stored.contains_key(&blob.digest)) {
            Some(blob) => Err(incomplete(blob.digest)),
            None => Ok(()),
        }
    }

    /// What is stored somewhere, and the tenant may have, into one of its own repositories.
    pub(crate) async fn name(
        &self,
        tree: &Tree,
        into: &Repository,
        tag: Option<&Tag>,
    ) -> Result<(), OperateError> {
        for blob in &tree.blobs {
            if !self.store.link(into, blob.digest).await? {
                return Err(StoreError::Missing(vec![blob.digest]).into());
            }
        }
        let last = tree.nodes.len().saturating_sub(1);
        for (index, node) in tree.nodes.iter().enumerate() {
            let tag = tag.filter(|_| index == last);
            self.store.put_manifest(into, tag, &node.manifest, node.bytes.clone()).await?;
        }
        Ok(())
    }
}

/// Of a name that a tenant may give.
pub(super) fn own_tag(target: &Reference) -> Result<&Tag, OperateError> {
    if target.place != Place::Local {
        return Err(OperateError::NotLocal { reference: target.to_string() });
    }
    match (&target.tag, target.digest) {
        (Some(tag), None) => Ok(tag),
        _ => Err(OperateError::NoTag { reference: target.to_string() }),
    }
}
