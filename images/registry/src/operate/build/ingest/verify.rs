//! Whether what came is one image, whole.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;

use super::{IngestError, receive::Received};
use crate::{
    content::MAX_MANIFEST_BYTES,
    digest::Digest,
    layout::{INDEX, InvalidLayout},
    manifest::Descriptor,
    operate::{
        MAX_CONFIG_BYTES, OperateError, Shelf, Tree,
        build::look::{self, Built},
        import::of_layout,
    },
    store::Described,
};

pub(super) struct Whole {
    pub(super) tree: Tree,
    pub(super) built: Built,
}

impl Whole {
    /// Children first.
    pub(super) fn manifests(&self) -> Vec<(Described, Bytes)> {
        let nodes = self.tree.nodes.iter();
        nodes.map(|node| (Described::from(&node.manifest), node.bytes.clone())).collect()
    }
}

pub(super) fn verify(received: &Received) -> Result<Whole, IngestError> {
    let root = root(received)?;
    let shelf = Staged(received);
    // It looks where everything is already.
    let grown = Tree::grow(&shelf, &root).now_or_never();
    let missing = InvalidLayout::Missing { digest: root.digest };
    let tree = grown.unwrap_or(Ok(None))?.ok_or(missing)?;
    if let Some(absent) = tree.absent.first() {
        return Err(InvalidLayout::Missing { digest: absent.digest }.into());
    }
    for node in &tree.nodes {
        for reference in node.manifest.references() {
            check(received, reference.descriptor)?;
        }
    }
    let config = |config: &Descriptor| {
        let missing = InvalidLayout::Missing { digest: config.digest };
        Ok::<_, IngestError>(received.small(config.digest, MAX_CONFIG_BYTES)?.ok_or(missing)?)
    };
    let built = look::look(&root, &tree, config)?;
    Ok(Whole { tree, built })
}

/// The one that its index names, under however many names.
fn root(received: &Received) -> Result<Descriptor, InvalidLayout> {
    let index = received.contents.document(INDEX).ok_or(InvalidLayout::NoLayout)?;
    let mut roots = of_layout(&received.contents, index)?;
    match (roots.pop(), roots.len()) {
        (Some(root), 0) => Ok(root.descriptor),
        (_, more) => Err(InvalidLayout::ManyImages { count: more + 1 }),
    }
}

/// Each time that it is named.
fn check(received: &Received, named: &Descriptor) -> Result<(), InvalidLayout> {
    let Descriptor { digest, size: expected, .. } = *named;
    let held = received.contents.blob(digest).ok_or(InvalidLayout::Missing { digest })?;
    if held.size != expected {
        return Err(InvalidLayout::OtherSize { digest, expected, found: held.size });
    }
    Ok(())
}

struct Staged<'a>(&'a Received);

#[async_trait]
impl Shelf for Staged<'_> {
    async fn manifest(&self, digest: Digest) -> Result<Option<Bytes>, OperateError> {
        match self.0.small(digest, MAX_MANIFEST_BYTES as u64) {
            Ok(found) => Ok(found),
            Err(IngestError::Store(error)) => Err(error.into()),
            Err(IngestError::Content(error)) => match std::sync::Arc::try_unwrap(error) {
                Ok(error) => Err(error),
                Err(_) => Err(InvalidLayout::Missing { digest }.into()),
            },
            Err(_) => Err(InvalidLayout::Missing { digest }.into()),
        }
    }
}
