//! A manifest with all that it leads to: children before their parents.
//!
//! A digest can't be part of what it is the digest of, so there are no cycles; depth, number and size
//! are bounded all the same.

use std::collections::HashSet;

use async_trait::async_trait;
use bytes::Bytes;

use super::OperateError;
use crate::{
    digest::Digest,
    manifest::{Descriptor, MAX_INDEX_DEPTH, Manifest, Reference, Role},
};

const MAX_MANIFEST_BYTES: usize = 64 << 20;

/// Where manifests are found.
#[async_trait]
pub(crate) trait Shelf: Sync {
    async fn manifest(&self, digest: Digest) -> Result<Option<Bytes>, OperateError>;
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub digest: Digest,
    pub bytes: Bytes,
    pub manifest: Manifest,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    /// Children first: the last one is what was asked for.
    pub nodes: Vec<Node>,
    /// Each once.
    pub blobs: Vec<Descriptor>,
    /// Manifests that the shelf does not have.
    pub absent: Vec<Descriptor>,
}

impl Tree {
    /// None: it is not there itself.
    pub(crate) async fn grow(
        shelf: &dyn Shelf,
        top: &Descriptor,
    ) -> Result<Option<Self>, OperateError> {
        let mut growing = Growing::default();
        let Some(bytes) = shelf.manifest(top.digest).await? else { return Ok(None) };
        growing.open(top, bytes, 0)?;
        while let Some((descriptor, role, depth)) = growing.next() {
            let bytes = match role {
                Role::Blob => None,
                Role::Manifest | Role::Either => shelf.manifest(descriptor.digest).await?,
            };
            match (role, bytes) {
                (_, Some(bytes)) => growing.open(&descriptor, bytes, depth)?,
                (Role::Manifest, None) => growing.tree.absent.push(descriptor),
                (Role::Blob | Role::Either, None) => growing.tree.blobs.push(descriptor),
            }
        }
        Ok(Some(growing.tree))
    }

    pub(crate) fn top(&self) -> Option<&Node> {
        self.nodes.last()
    }

    /// Of its manifests, by what they say.
    pub(crate) fn bytes(&self) -> u64 {
        self.nodes.iter().map(|node| node.bytes.len() as u64).sum()
    }
}

#[derive(Default)]
struct Growing {
    tree: Tree,
    seen: HashSet<Digest>,
    /// The way from the top to where we are.
    way: Vec<Open>,
    bytes: usize,
}

/// A manifest whose references are being followed.
struct Open {
    node: Node,
    /// The next one last.
    left: Vec<(Descriptor, Role)>,
    depth: usize,
}

impl Growing {
    fn open(
        &mut self,
        descriptor: &Descriptor,
        bytes: Bytes,
        depth: usize,
    ) -> Result<(), OperateError> {
        let digest = descriptor.digest;
        if depth > MAX_INDEX_DEPTH {
            return Err(OperateError::TooDeep { most: MAX_INDEX_DEPTH });
        }
        let found = bytes.len() as u64;
        if descriptor.size != found {
            return Err(OperateError::OtherSize { digest, expected: descriptor.size, found });
        }
        self.bytes += bytes.len();
        if self.bytes > MAX_MANIFEST_BYTES {
            return Err(OperateError::TooLarge { most: MAX_MANIFEST_BYTES });
        }
        let manifest = Manifest::parse(Some(&descriptor.media_type), &bytes)
            .map_err(|source| OperateError::Manifest { digest, source })?;
        self.seen.insert(digest);
        let reference = |Reference { descriptor, role }: Reference<'_>| (descriptor.clone(), role);
        let mut left: Vec<_> = manifest.references().map(reference).collect();
        left.reverse();
        self.way.push(Open { node: Node { digest, bytes, manifest }, left, depth });
        Ok(())
    }

    /// What is to be looked at, and how deep it is; closes what has nothing left.
    fn next(&mut self) -> Option<(Descriptor, Role, usize)> {
        while let Some(open) = self.way.last_mut() {
            match open.left.pop() {
                Some((descriptor, role)) if self.seen.insert(descriptor.digest) => {
                    return Some((descriptor, role, open.depth + 1));
                }
                Some(_) => {}
                None => {
                    let closed = self.way.pop()?;
                    self.tree.nodes.push(closed.node);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::manifest::{Annotations, Content, media};

    #[derive(Default)]
    struct Fake(HashMap<Digest, Bytes>);

    #[async_trait]
    impl Shelf for Fake {
        async fn manifest(&self, digest: Digest) -> Result<Option<Bytes>, OperateError> {
            Ok(self.0.get(&digest).cloned())
        }
    }

    impl Fake {
        fn add(&mut self, media_type: &str, content: Content) -> Descriptor {
            let manifest = Manifest {
                media_type: media_type.to_owned(),
                content,
                subject: None,
                artifact_type: None,
                annotations: Annotations::new(),
            };
            let bytes = Bytes::from(manifest.to_json());
            let digest = Digest::of(&bytes);
            let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
            self.0.insert(digest, bytes);
            descriptor
        }

        fn image(&mut self, layers: &[&str]) -> Descriptor {
            let layers = layers.iter().map(|layer| blob(layer)).collect();
            let config = Box::new(blob("config"));
            self.add(media::OCI_MANIFEST, Content::Image { config, layers })
        }

        fn index(&mut self, manifests: Vec<Descriptor>) -> Descriptor {
            self.add(media::OCI_INDEX, Content::Index { manifests })
        }
    }

    fn blob(text: &str) -> Descriptor {
        Descriptor::new(media::OCI_LAYER, Digest::of(text.as_bytes()), text.len() as u64)
    }

    #[tokio::test]
    async fn children_come_first_and_each_once() {
        let mut shelf = Fake::default();
        let (one, two) = (shelf.image(&["a", "b"]), shelf.image(&["b", "c"]));
        let inner = shelf.index(vec![two.clone(), one.clone()]);
        let top = shelf.index(vec![one.clone(), inner.clone(), blob("cache")]);
        let tree = Tree::grow(&shelf, &top).await.unwrap().unwrap();
        let order: Vec<_> = tree.nodes.iter().map(|node| node.digest).collect();
        assert_eq!(order, [one.digest, two.digest, inner.digest, top.digest]);
        let blobs: Vec<_> = tree.blobs.iter().map(|blob| blob.digest).collect();
        let expected = ["config", "a", "b", "c", "cache"].map(|text| Digest::of(text.as_bytes()));
        assert_eq!(blobs, expected);
        assert!(tree.absent.is_empty());
    }

    #[tokio::test]
    async fn what_is_not_there() {
        let mut shelf = Fake::default();
        let image = shelf.image(&["a"]);
        let index = shelf.index(vec![image.clone()]);
        shelf.0.remove(&image.digest);
        let tree = Tree::grow(&shelf, &index).await.unwrap().unwrap();
        assert_eq!(tree.absent, std::slice::from_ref(&image));
        assert!(Tree::grow(&shelf, &image).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn too_deep_or_not_as_said() {
        let mut shelf = Fake::default();
        let mut top = shelf.image(&[]);
        for _ in 0..MAX_INDEX_DEPTH {
            top = shelf.index(vec![top]);
        }
        assert!(Tree::grow(&shelf, &top).await.is_ok());
        let deeper = shelf.index(vec![top.clone()]);
        let error = Tree::grow(&shelf, &deeper).await.unwrap_err();
        assert!(matches!(error, OperateError::TooDeep { .. }));
        let liar = Descriptor { size: top.size + 1, ..top.clone() };
        let error = Tree::grow(&shelf, &liar).await.unwrap_err();
        assert!(matches!(error, OperateError::OtherSize { .. }));
        let liar = Descriptor { media_type: media::OCI_MANIFEST.into(), ..top };
        let error = Tree::grow(&shelf, &liar).await.unwrap_err();
        assert!(matches!(error, OperateError::Manifest { .. }));
    }
}
