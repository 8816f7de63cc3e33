//! What builds made: brought in from the disk that their guest wrote, kept under no name, then named
//! here or pushed outside, and dropped when their job is.
//!
//! ```text
//! disk ─▶ ingest ─▶ JOB, hidden ─┬─▶ local/NAME:TAG
//!                                ├─▶ registries outside
//! guest ─▶ JOB/cache/N, hidden ──┘  once: JOB/done/N says so
//! ```
//! Each step may be done again: what is there already is found, and what was cut off has left nothing.

mod cache;
mod ingest;
mod look;

pub use self::{
    cache::Onward,
    ingest::{Fault, IngestError},
    look::{Built, BuiltImage},
};
use super::{
    Image, Images, OperateError, Plan, Platforms, Progress, Pushed, Reference, Stored, Tree,
    change, export,
};
use crate::{build::Maker, caller::Caller, digest::Digest, name::Target, repository::Repository};

/// As what an image is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// An OCI layout, with all platforms.
    Oci,
    /// The same, and of one platform what `docker load` of any age reads.
    Docker,
}

impl Images {
    /// Gives what a build made a name of its tenant's own.
    pub async fn name_build(
        &self,
        maker: &Maker,
        digest: Digest,
        target: &Reference,
    ) -> Result<Image, OperateError> {
        let tag = change::own_tag(target)?;
        let (_, tree) = self.made(maker, digest).await?;
        self.name(&tree, &target.repository(maker.tenant()), Some(tag)).await?;
        self.stored(maker.tenant(), target).await
    }

    /// To a registry outside, with the credentials of the caller's tenant; `by_digest` gives it no
    /// tag there.
    pub async fn push_build(
        &self,
        caller: &Caller,
        maker: &Maker,
        digest: Digest,
        target: &Reference,
        by_digest: bool,
        progress: &Progress,
    ) -> Result<Pushed, OperateError> {
        let made = self.made(maker, digest).await?;
        let tag = target.tag.clone().filter(|_| !by_digest);
        let target = Reference { tag, ..target.clone() };
        let source = Reference::of(&made.0, Target::Digest(digest));
        self.send(caller, made, &source, &target, progress).await
    }

    /// An image of a build as a tar, under these names. Nothing is read before it is asked for.
    pub async fn plan_build(
        &self,
        maker: &Maker,
        digest: Digest,
        form: Form,
        names: &[Reference],
    ) -> Result<Plan, OperateError> {
        let (repository, tree) = self.made(maker, digest).await?;
        let source = Reference::of(&repository, Target::Digest(digest));
        self.check_whole(&repository, &tree, &source).await?;
        let saved = match form {
            Form::Oci => None,
            Form::Docker => Some(export::saved(&tree, names)),
        };
        if saved.as_ref().is_some_and(Vec::is_empty) {
            let found = self.image(&repository, &Target::Digest(digest), &tree).await?.platforms;
            return Err(OperateError::NoPlatform {
                reference: source.to_string(),
                wanted: Platforms::host().to_string(),
                found: found.iter().map(ToString::to_string).collect(),
            });
        }
        let platform = self.only_platform(&repository, &tree).await?;
        let files = export::files(&tree, names, platform, saved.as_deref());
        Ok(Plan::new(self.store.clone(), repository, files))
    }

    /// All that is kept of a build goes, but what has a name elsewhere.
    pub async fn forget_build(&self, maker: &Maker) -> Result<(), OperateError> {
        for repository in self.store.repositories_of(maker).await? {
            self.store.drop_repository(&repository).await?;
        }
        Ok(())
    }

    /// Whether anything is kept of it.
    pub async fn has_build(&self, maker: &Maker) -> Result<bool, OperateError> {
        Ok(self.store.is_known(&maker.images()).await?)
    }

    pub(crate) async fn made(
        &self,
        maker: &Maker,
        digest: Digest,
    ) -> Result<(Repository, Tree), OperateError> {
        let repository = maker.images();
        let shelf = Stored { store: &self.store, repository: &repository };
        let gone = || OperateError::WentAway { digest };
        let tree = shelf.tree(&Target::Digest(digest)).await?.ok_or_else(gone)?;
        Ok((repository, tree))
    }
}
