//! What is stored of an image, and what is said of it.

use std::{
    collections::{HashMap, HashSet},
    time::SystemTime,
};

use bytes::Bytes;

use super::{ImageConfig, Images, Node, OperateError, Reference, Stored, Tree};
use crate::{
    digest::Digest,
    manifest::{Content, Descriptor, Platform},
    name::Target,
    repository::{Repository, Space},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// By its tag, where it has one.
    pub reference: Reference,
    pub digest: Digest,
    pub media_type: String,
    /// Of what is stored of it, manifests included, each byte once.
    pub size: u64,
    /// When the name came to mean it here; none by digest.
    pub named_at: Option<SystemTime>,
    /// Of one from outside: when its registry last said so.
    pub confirmed_at: Option<SystemTime>,
    /// Of its images that are stored, as far as they say.
    pub platforms: Vec<Platform>,
    /// Something of it is not stored.
    pub incomplete: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    pub image: Image,
    pub manifest: Bytes,
    /// An image's, where it is stored and not too large.
    pub config: Option<Bytes>,
    /// An image's layers, or an index's manifests.
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub descriptor: Descriptor,
    pub is_stored: bool,
}

impl Images {
    /// From the store alone.
    pub async fn inspect(
        &self,
        tenant: &str,
        reference: &Reference,
    ) -> Result<Inspected, OperateError> {
        let repository = reference.repository(tenant);
        if !self.may_read(tenant, &repository).await? {
            return Err(not_found(reference));
        }
        let shelf = Stored { store: &self.store, repository: &repository };
        let tree = shelf.visible(&reference.target()).await?;
        let tree = tree.ok_or_else(|| not_found(reference))?;
        let top = tree.top().ok_or_else(|| not_found(reference))?;
        let image = self.image(&repository, &reference.target(), &tree).await?;
        let (config, descriptors) = match &top.manifest.content {
            Content::Image { config, layers } => (shelf.config(config).await?, layers),
            Content::Index { manifests } => (None, manifests),
        };
        let blobs = self.stored_blobs(&repository, descriptors).await?;
        let manifests: HashSet<_> = tree.nodes.iter().map(|node| node.digest).collect();
        let part = |descriptor: &Descriptor| Part {
            is_stored: manifests.contains(&descriptor.digest)
                || blobs.contains_key(&descriptor.digest),
            descriptor: descriptor.clone(),
        };
        let parts = descriptors.iter().map(part).collect();
        Ok(Inspected { image, manifest: top.bytes.clone(), config, parts })
    }

    /// One as it is stored now.
    pub(crate) async fn stored(
        &self,
        tenant: &str,
        reference: &Reference,
    ) -> Result<Image, OperateError> {
        let (repository, tree) = self.tree(tenant, reference).await?;
        self.image(&repository, &reference.target(), &tree).await
    }

    pub(crate) async fn image(
        &self,
        repository: &Repository,
        target: &Target,
        tree: &Tree,
    ) -> Result<Image, OperateError> {
        let reference = Reference::of(repository, target.clone());
        let top = tree.top().ok_or_else(|| not_found(&reference))?;
        let at = self.store.manifest(repository, target).await?.and_then(|top| top.confirmed_at);
        let (mut size, mut incomplete) = (tree.bytes(), !tree.absent.is_empty());
        let stored = self.stored_blobs(repository, &tree.blobs).await?;
        incomplete |= stored.len() < tree.blobs.len();
        size += stored.values().sum::<u64>();
        let is_local = !matches!(repository.space, Space::Mirror { .. });
        Ok(Image {
            digest: top.digest,
            media_type: top.manifest.media_type.clone(),
            size,
            named_at: at,
            confirmed_at: at.filter(|_| !is_local),
            platforms: self.platforms(repository, tree).await?,
            incomplete,
            reference,
        })
    }

    /// Those that its images are for.
    pub(super) async fn platforms(
        &self,
        repository: &Repository,
        tree: &Tree,
    ) -> Result<Vec<Platform>, OperateError> {
        let mut platforms = Vec::new();
        let mut add = |platform: Platform| {
            // What builders call what is no image.
            if platform.os != "unknown" && !platforms.contains(&platform) {
                platforms.push(platform);
            }
        };
        let stored: HashSet<_> = tree.nodes.iter().map(|node| node.digest).collect();
        for node in &tree.nodes {
            let entries = node.manifest.manifests().iter();
            let entries = entries.filter(|entry| stored.contains(&entry.digest));
            entries.filter_map(|entry| entry.platform.clone()).for_each(&mut add);
        }
        if let [Node { manifest, .. }] = &tree.nodes[..]
            && let Content::Image { config, .. } = &manifest.content
        {
            let shelf = Stored { store: &self.store, repository };
            let config = shelf.config(config).await?;
            let config = config.and_then(|config| ImageConfig::parse(&config).ok());
            config.and_then(|config| config.platform).into_iter().for_each(&mut add);
        }
        platforms.sort();
        Ok(platforms)
    }

    pub(crate) async fn stored_blobs(
        &self,
        repository: &Repository,
        blobs: &[Descriptor],
    ) -> Result<HashMap<Digest, u64>, OperateError> {
        let digests = blobs.iter().map(|blob| blob.digest).collect();
        Ok(self.store.sizes(repository, digests).await?)
    }
}

fn not_found(reference: &Reference) -> OperateError {
    OperateError::NotFound { reference: reference.to_string() }
}
