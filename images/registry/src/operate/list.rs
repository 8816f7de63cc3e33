//! All images that a tenant sees, in pages.

use super::{Image, Images, OperateError, Reference};
use crate::{
    name::{Tag, Target},
    repository::{Repository, Space},
};

const MAX_PAGE: usize = 1000;
const BATCH: usize = 100;

/// What is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Names that contain this: `local/app`, `docker.io/library/debian`.
    pub name: String,
    /// Also images that no tag leads to.
    pub untagged: bool,
    /// From behind this one: [`Page::next`].
    pub after: Option<Reference>,
    /// At most 1000.
    pub limit: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub images: Vec<Image>,
    /// None: there are no more.
    pub next: Option<Reference>,
}

impl Images {
    /// The tenant's own first, then those of registries, by name and tag.
    pub async fn list(&self, tenant: &str, listing: &Listing) -> Result<Page, OperateError> {
        let limit = listing.limit.clamp(1, MAX_PAGE);
        let mut images = Vec::new();
        let mut at = listing.after.as_ref().map(|after| after.repository(tenant));
        if let Some(at) = &at {
            self.tagged(at, listing, tenant, limit, &mut images).await?;
        }
        while images.len() <= limit {
            let batch = self.repositories(tenant, at.as_ref()).await?;
            for repository in &batch {
                self.tagged(repository, listing, tenant, limit, &mut images).await?;
            }
            at = match batch.into_iter().next_back() {
                Some(last) => Some(last),
                None => break,
            };
        }
        Ok(page(images, limit))
    }

    /// The next ones behind `at`.
    pub(super) async fn repositories(
        &self,
        tenant: &str,
        at: Option<&Repository>,
    ) -> Result<Vec<Repository>, OperateError> {
        let space = Space::Local { tenant: tenant.to_owned() };
        let is_outside = |at: &&Repository| matches!(at.space, Space::Mirror { .. });
        let outside = at.filter(is_outside);
        if outside.is_none() {
            let after = at.map(|at| at.name.as_str());
            let names = self.store.repositories(&space, after, BATCH).await?;
            if !names.is_empty() {
                let own = |name| Repository { space: space.clone(), name };
                return Ok(names.into_iter().map(own).collect());
            }
        }
        Ok(self.store.mirrored(outside, BATCH).await?)
    }

    /// Adds a repository's, until there is one more than asked for.
    async fn tagged(
        &self,
        repository: &Repository,
        listing: &Listing,
        tenant: &str,
        limit: usize,
        images: &mut Vec<Image>,
    ) -> Result<(), OperateError> {
        let after = listing.after.as_ref().filter(|after| after.repository(tenant) == *repository);
        if images.len() > limit {
            return Ok(());
        }
        let is_named = name(repository).contains(&listing.name);
        if !is_named || !self.may_read(tenant, repository).await? {
            return Ok(());
        }
        let after_digest = after.and_then(|after| after.digest);
        if after_digest.is_none() {
            let mut last = after.and_then(|after| after.tag.clone());
            while images.len() <= limit {
                let tags = self.store.tags(repository, last.as_ref().map(Tag::as_str), BATCH);
                let tags = tags.await?;
                if tags.is_empty() {
                    break;
                }
                for tag in &tags {
                    self.add(repository, Target::Tag(tag.clone()), images).await?;
                }
                last = tags.into_iter().next_back();
            }
        }
        if listing.untagged && images.len() <= limit {
            let room = limit + 1 - images.len();
            for digest in self.store.untagged(repository, after_digest, room).await? {
                self.add(repository, Target::Digest(digest), images).await?;
            }
        }
        Ok(())
    }

    /// Gone in the meantime is none.
    async fn add(
        &self,
        repository: &Repository,
        target: Target,
        images: &mut Vec<Image>,
    ) -> Result<(), OperateError> {
        let shelf = super::Stored { store: &self.store, repository };
        if let Some(tree) = shelf.visible(&target).await? {
            images.push(self.image(repository, &target, &tree).await?);
        }
        Ok(())
    }
}

fn page(mut images: Vec<Image>, limit: usize) -> Page {
    let more = images.len() > limit;
    images.truncate(limit);
    let last = images.last().filter(|_| more).map(|image| image.reference.clone());
    Page { images, next: last }
}

fn name(repository: &Repository) -> String {
    match &repository.space {
        Space::Local { .. } | Space::Build { .. } => format!("local/{}", repository.name),
        Space::Mirror { host } => format!("{host}/{}", repository.name),
    }
}
