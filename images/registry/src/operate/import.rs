//! Images from a tar.
//!
//! ```text
//! tar ─▶ each file hashed, into a staging repository ─▶ documents ─▶ trees, whole? ─▶ named
//!                                                            └── anything wrong ──▶ nothing named
//! ```
//! The staging repository has a name that nobody guesses; what is left in it after a crash is reached by
//! no tag, and collected.

mod receive;
mod roots;

use async_trait::async_trait;
use bytes::Bytes;

pub(super) use self::roots::of_layout;
use self::{receive::Receiver, roots::Root};
use super::{Image, Images, OperateError, Reference, Shelf, Tree, change, shelf};
use crate::{
    content::{Chunks, MAX_MANIFEST_BYTES},
    digest::Digest,
    layout::{Archive, Contents, InvalidLayout, names},
    manifest::{Content, media},
    repository::{Repository, Space},
    store::{Store, StoreError},
};

impl Images {
    /// All that the tar holds, by the names that it gives itself; or its one image as `target`.
    ///
    /// # Cancel safety
    /// It goes on as long as the tar does: dropped with its source, it ends and cleans up.
    pub async fn import(
        &self,
        tenant: &str,
        target: Option<&Reference>,
        tar: Chunks,
    ) -> Result<Vec<Image>, OperateError> {
        let (images, tenant, target) = (self.clone(), tenant.to_owned(), target.cloned());
        let importing =
            tokio::spawn(async move { images.take(&tenant, target.as_ref(), tar).await });
        // Only a runtime that goes down cancels it, or a panic, which is told there.
        importing.await.map_err(|_| StoreError::Closed)?
    }

    async fn take(
        &self,
        tenant: &str,
        target: Option<&Reference>,
        tar: Chunks,
    ) -> Result<Vec<Image>, OperateError> {
        if let Some(target) = target {
            change::own_tag(target)?;
        }
        let staging = Staging::new(&self.store, tenant)?;
        let mut receiver = Receiver::new(&self.store, &staging.repository);
        let received = receiver.receive(Archive::new(tar)).await;
        let named = match received {
            Ok(()) => self.adopt(tenant, target, &staging, &receiver.finish()).await,
            Err(error) => Err(error),
        };
        // What was named is linked elsewhere by now.
        let cleared = self.store.drop_repository(&staging.repository).await;
        let images = named?;
        cleared?;
        Ok(images)
    }

    /// All of it is verified before any of it gets its name.
    async fn adopt(
        &self,
        tenant: &str,
        target: Option<&Reference>,
        staging: &Staging<'_>,
        contents: &Contents,
    ) -> Result<Vec<Image>, OperateError> {
        let shelf = Staged { staging, contents };
        let roots = roots::of(&shelf).await?;
        let mut verified = Vec::new();
        for (root, names) in named(roots, target)? {
            verified.push((shelf.verify(&root).await?, names));
        }
        let mut images = Vec::new();
        for (tree, names) in verified {
            for name in names {
                let tag = change::own_tag(&name)?;
                self.name(&tree, &name.repository(tenant), Some(tag)).await?;
                images.push(self.stored(tenant, &name).await?);
            }
        }
        Ok(images)
    }
}

fn named(
    roots: Vec<Root>,
    target: Option<&Reference>,
) -> Result<Vec<(Root, Vec<Reference>)>, InvalidLayout> {
    if let Some(target) = target {
        let count = roots.len();
        return match <[Root; 1]>::try_from(roots) {
            Ok([root]) => Ok(vec![(root, vec![target.clone()])]),
            Err(_) => Err(InvalidLayout::ManyForOne { count, target: target.to_string() }),
        };
    }
    let name = |root: Root| {
        let names: Result<Vec<_>, _> = root.names.iter().map(|name| names::local(name)).collect();
        match names? {
            names if names.is_empty() => Err(InvalidLayout::Unnamed),
            names => Ok((root, names)),
        }
    };
    roots.into_iter().map(name).collect()
}

/// Where the files of one import are until it is known what they are.
struct Staging<'a> {
    store: &'a Store,
    repository: Repository,
}

impl<'a> Staging<'a> {
    fn new(store: &'a Store, tenant: &str) -> Result<Self, OperateError> {
        let mut random = [0; 16];
        let flags = rustix::rand::GetRandomFlags::empty();
        rustix::rand::getrandom(&mut random, flags)
            .map_err(|error| StoreError::Stream(std::sync::Arc::new(error.into())))?;
        let name = format!("importing/{}", Digest::of(&random).hex());
        let name = name.parse().expect("a repository");
        let space = Space::Local { tenant: tenant.to_owned() };
        Ok(Self { store, repository: Repository { space, name } })
    }
}

/// What came with the tar.
struct Staged<'a> {
    staging: &'a Staging<'a>,
    contents: &'a Contents,
}

#[async_trait]
impl Shelf for Staged<'_> {
    async fn manifest(&self, digest: Digest) -> Result<Option<Bytes>, OperateError> {
        let Some(held) = self.contents.blob(digest) else { return Ok(None) };
        if held.size > MAX_MANIFEST_BYTES as u64 {
            let (path, bytes) = (digest.to_string(), held.size);
            let most = MAX_MANIFEST_BYTES as u64;
            return Err(InvalidLayout::TooLarge { path, bytes, most }.into());
        }
        let blob = self.staging.store.blob(&self.staging.repository, digest).await?;
        match blob {
            Some(blob) => Ok(Some(shelf::whole(blob.chunks(None)).await?)),
            None => Ok(None),
        }
    }
}

impl Staged<'_> {
    /// Everything that a root leads to is there, and as large as it is said to be.
    async fn verify(&self, root: &Root) -> Result<Tree, OperateError> {
        match root {
            Root { tree: Some(tree), .. } => self.whole(tree.clone()),
            Root { descriptor, .. } => {
                let missing = InvalidLayout::Missing { digest: descriptor.digest };
                let tree = Tree::grow(self, descriptor).await?.ok_or(missing)?;
                match self.only_image(&tree).await? {
                    Some(image) => self.whole(image),
                    None => self.whole(tree),
                }
            }
        }
    }

    fn whole(&self, tree: Tree) -> Result<Tree, OperateError> {
        if let Some(absent) = tree.absent.first() {
            return Err(InvalidLayout::Missing { digest: absent.digest }.into());
        }
        for blob in &tree.blobs {
            let (digest, expected) = (blob.digest, blob.size);
            let held = self.contents.blob(digest).ok_or(InvalidLayout::Missing { digest })?;
            if held.size != expected {
                let found = held.size;
                return Err(InvalidLayout::OtherSize { digest, expected, found }.into());
            }
        }
        Ok(tree)
    }

    /// Of an index that came with one of its images alone: docker saves what it has.
    async fn only_image(&self, tree: &Tree) -> Result<Option<Tree>, OperateError> {
        let Some(Content::Index { manifests }) = tree.top().map(|top| &top.manifest.content) else {
            return Ok(None);
        };
        if tree.absent.is_empty() {
            return Ok(None);
        }
        let is_image = |platform: &str| platform != "unknown";
        let mut here = manifests.iter().filter(|entry| {
            self.contents.blob(entry.digest).is_some()
                && media::kind(&entry.media_type).is_some()
                && entry.platform.as_ref().is_none_or(|platform| is_image(&platform.os))
        });
        match (here.next(), here.next()) {
            (Some(one), None) => Tree::grow(self, one).await,
            _ => Ok(None),
        }
    }
}
