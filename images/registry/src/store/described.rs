//! What the store has to know of a manifest: it does not read the bytes itself.

use std::collections::BTreeMap;

use crate::{
    digest::Digest,
    manifest::{self, Content, Manifest},
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    pub media_type: String,
    /// What it refers to, its subject aside.
    pub references: Vec<Reference>,
    pub subject: Option<Digest>,
    /// As the referrers list tells it: of an image without one, its config's media type.
    pub artifact_type: Option<String>,
    pub annotations: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    pub digest: Digest,
    pub role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Blob,
    Manifest,
    /// Whichever of the two is there.
    Either,
    /// A blob that need not be there, and is kept where it is.
    Optional,
}

impl From<&Manifest> for Described {
    fn from(manifest: &Manifest) -> Self {
        let mut references: Vec<_> = manifest
            .references()
            .map(|reference| Reference {
                digest: reference.descriptor.digest,
                role: match reference.role {
                    manifest::Role::Blob => Role::Blob,
                    manifest::Role::Manifest => Role::Manifest,
                    manifest::Role::Either => Role::Either,
                },
            })
            .collect();
        if let Content::Image { layers, .. } = &manifest.content {
            let layers = layers.iter().map(|layer| layer.digest);
            references.extend(layers.map(|digest| Reference { digest, role: Role::Optional }));
        }
        Self {
            media_type: manifest.media_type.clone(),
            references,
            subject: manifest.subject.as_ref().map(|subject| subject.digest),
            artifact_type: manifest.effective_artifact_type().map(ToOwned::to_owned),
            annotations: manifest.annotations.clone(),
        }
    }
}
