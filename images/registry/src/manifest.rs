//! Manifests and indexes, read strictly: what this registry keeps means the same to whoever reads it.
//!
//! One digest, one meaning: bytes that one reader takes for an image and another for an index
//! (CVE-2021-41190), that name a key twice, or that spell a field so that only some readers see it, are
//! refused. What no reader knows is kept as it is.

mod descriptor;
mod invalid;
pub mod json;
pub mod media;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;

pub use self::{
    descriptor::{Descriptor, Platform},
    invalid::{InvalidManifest, Wrong},
};
use crate::digest::Digest;

/// More than any builder makes, and few enough that a manifest is checked in a few milliseconds:
/// overlayfs stops at 500 layers, and the largest indexes have some hundred platforms.
pub const MAX_DESCRIPTORS: usize = 4096;

/// An index that names indexes, that name indexes: so deep, and no deeper, where they are followed.
pub const MAX_INDEX_DEPTH: usize = 4;

pub type Annotations = BTreeMap<String, String>;

/// What a manifest says, as far as a registry has to understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub media_type: String,
    pub content: Content,
    /// What it is about; need not exist.
    pub subject: Option<Descriptor>,
    pub artifact_type: Option<String>,
    pub annotations: Annotations,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// An image or an artifact.
    Image {
        config: Box<Descriptor>,
        layers: Vec<Descriptor>,
    },
    Index {
        manifests: Vec<Descriptor>,
    },
}

/// Content that a manifest can't be read without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    pub descriptor: &'a Descriptor,
    pub role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Blob,
    Manifest,
    /// An index's entry of another type: caches of builders name their layers so.
    Either,
}

impl Manifest {
    /// With the type that it was sent under, where that is known. At most
    /// [`crate::content::MAX_MANIFEST_BYTES`].
    pub fn parse(declared: Option<&str>, bytes: &[u8]) -> Result<Self, InvalidManifest> {
        read::manifest(declared, bytes)
    }

    /// In a form that is always the same. A manifest that was parsed has bytes of its own: those are
    /// what its digest names.
    pub fn to_json(&self) -> Vec<u8> {
        write::manifest(self)
    }

    pub fn is_index(&self) -> bool {
        matches!(self.content, Content::Index { .. })
    }

    /// An index's.
    pub fn manifests(&self) -> &[Descriptor] {
        match &self.content {
            Content::Image { .. } => &[],
            Content::Index { manifests } => manifests,
        }
    }

    /// What must be there before the manifest is: all of it but the layers that are not distributed.
    /// The same content may be named more than once.
    pub fn references(&self) -> impl Iterator<Item = Reference<'_>> {
        let (config, layers, manifests): (_, &[_], &[_]) = match &self.content {
            Content::Image { config, layers } => (Some(&**config), layers, &[]),
            Content::Index { manifests } => (None, &[], manifests),
        };
        let layers = layers.iter().filter(|layer| !media::is_foreign(&layer.media_type));
        let blobs = config.into_iter().chain(layers);
        let blob = |descriptor| Reference { descriptor, role: Role::Blob };
        let child = |descriptor: &'_ Descriptor| match media::kind(&descriptor.media_type) {
            Some(_) => Role::Manifest,
            None => Role::Either,
        };
        blobs.map(blob).chain(
            manifests
                .iter()
                .map(move |descriptor| Reference { descriptor, role: child(descriptor) }),
        )
    }

    /// The digests of [`Self::references`].
    pub fn required(&self) -> impl Iterator<Item = Digest> {
        self.references().map(|reference| reference.descriptor.digest)
    }

    /// What referrers' lists say of it: an image without a type of its own has its config's.
    pub fn effective_artifact_type(&self) -> Option<&str> {
        match (&self.artifact_type, &self.content) {
            (Some(artifact_type), _) => Some(artifact_type),
            (None, Content::Image { config, .. }) => Some(&config.media_type),
            (None, Content::Index { .. }) => None,
        }
    }

    /// Of all that it names, as far as it says.
    pub fn size(&self) -> u64 {
        self.references().map(|reference| reference.descriptor.size).sum()
    }
}
