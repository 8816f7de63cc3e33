//! What came of a build, as the host read it: which image is whose platform's, and what was said of it.

use std::collections::HashMap;

use bytes::Bytes;

use crate::{
    digest::Digest,
    layout::InvalidLayout,
    manifest::{Content, Descriptor, Platform, media},
    operate::{ImageConfig, Node, Tree, platform},
};

/// Of builders: what an entry of an index is, and of which other one.
const KIND: &str = "vnd.docker.reference.type";
const OF: &str = "vnd.docker.reference.digest";

/// All of it stands in a job's record, and each image's configuration is read.
const MOST_IMAGES: usize = 64;
/// Layers of all images, or attestations.
const MOST_PARTS: usize = 8192;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The index, or the only manifest.
    pub root: Descriptor,
    /// Of all content, manifests included, each once.
    pub total_bytes: u64,
    /// In the order of the index.
    pub images: Vec<BuiltImage>,
}

/// Of one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltImage {
    pub platform: Platform,
    pub manifest: Descriptor,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    /// Manifests that the builder made of it.
    pub attestations: Vec<Descriptor>,
}

/// Of a tree that is whole.
pub(super) fn look<E: From<InvalidLayout>>(
    root: &Descriptor,
    tree: &Tree,
    config: impl Fn(&Descriptor) -> Result<Bytes, E>,
) -> Result<Built, E> {
    let nodes = tree.nodes.iter().map(|node| (node.digest, node)).collect();
    let (images, seen, attestations) = (Vec::new(), HashMap::new(), Vec::new());
    let mut looking = Looking { nodes, config, images, seen, attestations };
    looking.descriptor(root)?;
    let Looking { mut images, seen, attestations, .. } = looking;
    if images.is_empty() {
        return Err(InvalidLayout::NoPlatforms.into());
    }
    for attestation in attestations {
        let of = attestation.annotations.get(OF).and_then(|of| of.parse().ok());
        let image = of.and_then(|of: Digest| images.get_mut((*seen.get(&of)?)?));
        let nobodys = || InvalidLayout::Unattested { digest: attestation.digest };
        image.ok_or_else(nobodys)?.attestations.push(attestation.clone());
    }
    let blobs: u64 = tree.blobs.iter().map(|blob| blob.size).sum();
    Ok(Built { root: root.clone(), total_bytes: tree.bytes() + blobs, images })
}

struct Looking<'a, F> {
    nodes: HashMap<Digest, &'a Node>,
    config: F,
    images: Vec<BuiltImage>,
    /// Manifests that were looked at; an image's with its place.
    seen: HashMap<Digest, Option<usize>>,
    attestations: Vec<&'a Descriptor>,
}

impl<E: From<InvalidLayout>, F: Fn(&Descriptor) -> Result<Bytes, E>> Looking<'_, F> {
    /// No deeper than the tree is, which is bounded.
    fn descriptor(&mut self, descriptor: &Descriptor) -> Result<(), E> {
        let digest = descriptor.digest;
        let Some(node) = self.nodes.get(&digest).copied() else { return Ok(()) };
        match &node.manifest.content {
            Content::Index { manifests } => {
                if self.seen.insert(digest, None).is_some() {
                    return Ok(());
                }
                for entry in manifests {
                    if self.attestations.len() > MOST_PARTS {
                        return Err(InvalidLayout::TooMuch.into());
                    }
                    if entry.annotations.contains_key(KIND) {
                        self.attestations.push(entry);
                    } else if media::kind(&entry.media_type).is_some() {
                        self.descriptor(entry)?;
                    }
                }
                Ok(())
            }
            Content::Image { config, layers } => self.image(descriptor, node, config, layers),
        }
    }

    fn image(
        &mut self,
        descriptor: &Descriptor,
        node: &Node,
        config: &Descriptor,
        layers: &[Descriptor],
    ) -> Result<(), E> {
        let digest = node.digest;
        if let Some(Some(place)) = self.seen.get(&digest) {
            return check(descriptor, &self.images[*place].platform);
        }
        let before: usize = self.images.iter().map(|image| image.layers.len()).sum();
        if self.images.len() >= MOST_IMAGES || before + layers.len() > MOST_PARTS {
            return Err(InvalidLayout::TooMuch.into());
        }
        let bytes = (self.config)(config)?;
        let unreadable = |source| InvalidLayout::Json { path: config.digest.to_string(), source };
        let ImageConfig { platform: found, diff_ids, .. } =
            ImageConfig::parse(&bytes).map_err(unreadable)?;
        let found = found.ok_or(InvalidLayout::NoPlatform { digest })?;
        check(descriptor, &found)?;
        if diff_ids != layers.len() {
            return Err(
                InvalidLayout::OtherLayers { digest, diff_ids, layers: layers.len() }.into()
            );
        }
        self.seen.insert(digest, Some(self.images.len()));
        self.images.push(BuiltImage {
            platform: found,
            manifest: descriptor.clone(),
            config: config.clone(),
            layers: layers.to_vec(),
            attestations: Vec::new(),
        });
        Ok(())
    }
}

/// What its index says it is for.
fn check<E: From<InvalidLayout>>(descriptor: &Descriptor, found: &Platform) -> Result<(), E> {
    match &descriptor.platform {
        Some(stated) if !platform::fits(stated, found) => Err(InvalidLayout::OtherPlatform {
            digest: descriptor.digest,
            stated: stated.to_string(),
            found: found.to_string(),
        }
        .into()),
        _ => Ok(()),
    }
}
