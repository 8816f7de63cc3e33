//! What a repository of the store has of an image.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use super::{MAX_CONFIG_BYTES, Node, OperateError, Shelf, Tree};
use crate::{
    content::Chunks,
    digest::Digest,
    manifest::{Descriptor, Manifest},
    name::Target,
    repository::Repository,
    store::{Store, StoreError},
};

pub(crate) struct Stored<'a> {
    pub store: &'a Store,
    pub repository: &'a Repository,
}

#[async_trait]
impl Shelf for Stored<'_> {
    async fn manifest(&self, digest: Digest) -> Result<Option<Bytes>, OperateError> {
        let found = self.store.manifest(self.repository, &Target::Digest(digest)).await?;
        Ok(found.map(|manifest| manifest.bytes))
    }
}

impl Stored<'_> {
    pub(crate) async fn tree(&self, target: &Target) -> Result<Option<Tree>, OperateError> {
        let Some(top) = self.store.manifest(self.repository, target).await? else {
            return Ok(None);
        };
        let top = Descriptor::new(top.media_type, top.digest, top.bytes.len() as u64);
        Tree::grow(self, &top).await
    }

    /// Also of one that leads too far, or to what is not as it says: that one alone. Whoever pushed it
    /// is not to keep others from seeing what is there.
    pub(crate) async fn visible(&self, target: &Target) -> Result<Option<Tree>, OperateError> {
        match self.tree(target).await {
            Err(
                OperateError::Manifest { .. }
                | OperateError::OtherSize { .. }
                | OperateError::TooDeep { .. }
                | OperateError::TooLarge { .. },
            ) => {}
            tree => return tree,
        }
        let Some(top) = self.store.manifest(self.repository, target).await? else {
            return Ok(None);
        };
        let manifest = Manifest::parse(Some(&top.media_type), &top.bytes);
        Ok(manifest.ok().map(|manifest| {
            let absent = manifest.references().map(|one| one.descriptor.clone()).collect();
            let node = Node { digest: top.digest, bytes: top.bytes, manifest };
            Tree { nodes: vec![node], blobs: Vec::new(), absent }
        }))
    }

    /// None where it is not stored, or too large to be looked into.
    pub(crate) async fn config(&self, config: &Descriptor) -> Result<Option<Bytes>, OperateError> {
        if config.size > MAX_CONFIG_BYTES {
            return Ok(None);
        }
        match self.store.blob(self.repository, config.digest).await? {
            Some(blob) if blob.size == config.size => Ok(Some(whole(blob.chunks(None)).await?)),
            _ => Ok(None),
        }
    }
}

/// Of what is known to be small.
pub(crate) async fn whole(mut chunks: Chunks) -> Result<Bytes, StoreError> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| StoreError::Stream(error.into()))?;
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}
