//! Caches: a build's guest pushes them here, under names that are its own alone, and the host brings
//! them to where they belong.

use std::collections::BTreeMap;

use super::super::{Images, OperateError, Progress, Pushed, Reference, Stored, Tree, change};
use crate::{
    build::Maker,
    caller::Caller,
    digest::Digest,
    manifest::{Content, Manifest, media},
    name::Target,
    repository::Repository,
};

/// In the note of a cache that was brought somewhere.
const TARGET: &str = "kiln.target";

/// How far a cache has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Onward<T> {
    Brought(T),
    /// An earlier call has done it, to this same target.
    Already,
    /// The guest never pushed one.
    Absent,
}

impl Images {
    /// A cache that the guest has pushed here goes on to a registry outside. What was brought on loses
    /// its tag, and so goes with a later collection.
    pub async fn push_cache(
        &self,
        caller: &Caller,
        maker: &Maker,
        number: usize,
        target: &Reference,
        progress: &Progress,
    ) -> Result<Onward<Pushed>, OperateError> {
        let made = match self.cache(maker, number, target).await? {
            Onward::Brought(made) => made,
            Onward::Already => return Ok(Onward::Already),
            Onward::Absent => return Ok(Onward::Absent),
        };
        let source = Reference::of(&made.0, Target::Tag(Maker::cache_tag()));
        let pushed = self.send(caller, made, &source, target, progress).await?;
        self.brought(maker, number, target).await?;
        Ok(Onward::Brought(pushed))
    }

    /// Or gets a name of its tenant's own, and nothing else does.
    pub async fn name_cache(
        &self,
        maker: &Maker,
        number: usize,
        target: &Reference,
    ) -> Result<Onward<Digest>, OperateError> {
        let tag = change::own_tag(target)?;
        let (repository, tree) = match self.cache(maker, number, target).await? {
            Onward::Brought(made) => made,
            Onward::Already => return Ok(Onward::Already),
            Onward::Absent => return Ok(Onward::Absent),
        };
        let source = Reference::of(&repository, Target::Tag(Maker::cache_tag()));
        self.check_whole(&repository, &tree, &source).await?;
        let top =
            tree.top().ok_or_else(|| OperateError::NotFound { reference: source.to_string() });
        let digest = top?.digest;
        self.name(&tree, &target.repository(maker.tenant()), Some(tag)).await?;
        self.brought(maker, number, target).await?;
        Ok(Onward::Brought(digest))
    }

    async fn cache(
        &self,
        maker: &Maker,
        number: usize,
        target: &Reference,
    ) -> Result<Onward<(Repository, Tree)>, OperateError> {
        let (repository, tag) = (maker.cache(number), Maker::cache_tag());
        let note = Digest::of(&note(target).to_json());
        let done = self.store.manifest(&maker.done(number), &Target::Tag(tag.clone())).await?;
        if done.is_some_and(|done| done.digest == note) {
            self.store.delete_tag(&repository, &tag).await?;
            return Ok(Onward::Already);
        }
        let shelf = Stored { store: &self.store, repository: &repository };
        let tree = shelf.tree(&Target::Tag(tag)).await?;
        Ok(tree.map_or(Onward::Absent, |tree| Onward::Brought((repository, tree))))
    }

    /// The note first: whoever is killed in between finds it.
    async fn brought(
        &self,
        maker: &Maker,
        number: usize,
        target: &Reference,
    ) -> Result<(), OperateError> {
        let (note, tag) = (note(target), Maker::cache_tag());
        let bytes = note.to_json();
        self.store.put_manifest(&maker.done(number), Some(&tag), &note, bytes.into()).await?;
        self.store.delete_tag(&maker.cache(number), &tag).await?;
        Ok(())
    }
}

/// Of nothing but where it was brought to.
fn note(target: &Reference) -> Manifest {
    Manifest {
        media_type: media::OCI_INDEX.to_owned(),
        content: Content::Index { manifests: Vec::new() },
        subject: None,
        artifact_type: None,
        annotations: BTreeMap::from([(TARGET.to_owned(), target.to_string())]),
    }
}
