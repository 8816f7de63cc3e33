//! A tree that a test plants by paths.

use std::collections::BTreeMap;

use super::{Content, Kind, Metadata, Node, NodeId, Piece, Store, Time, Tree};

#[derive(Debug)]
pub(super) struct Plot {
    pub(super) tree: Tree,
    pub(super) store: Store,
}

pub(super) fn metadata(mode: u16) -> Metadata {
    let modified = Time { seconds: 1_700_000_000, nanoseconds: 123_456_789 };
    Metadata { mode, user: 0, group: 0, modified, attributes: BTreeMap::new() }
}

impl Plot {
    pub(super) fn new() -> Self {
        Self { tree: Tree::new(metadata(0o755)), store: Store::default() }
    }

    /// Plants a node; directories on the way are made.
    pub(super) fn node(&mut self, path: &str, node: Node) -> NodeId {
        let id = self.tree.add(node);
        self.name(path, id);
        id
    }

    /// One more name for a node.
    pub(super) fn name(&mut self, path: &str, id: NodeId) {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.directory(parent);
        self.tree.link(parent, name.as_bytes().into(), id);
    }

    pub(super) fn directory(&mut self, path: &str) -> NodeId {
        path.split('/').filter(|name| !name.is_empty()).fold(Tree::ROOT, |directory, name| {
            self.tree.child(directory, name.as_bytes()).unwrap_or_else(|| {
                let kind = Kind::Directory(BTreeMap::new());
                let id = self.tree.add(Node { metadata: metadata(0o755), kind });
                self.tree.link(directory, name.as_bytes().into(), id);
                id
            })
        })
    }

    pub(super) fn kind(&mut self, path: &str, kind: Kind) -> NodeId {
        self.node(path, Node { metadata: metadata(0o644), kind })
    }

    pub(super) fn file(&mut self, path: &str, bytes: &[u8]) -> NodeId {
        self.sparse(path, bytes.len() as u64, &[(0, bytes)])
    }

    /// A file of which only some bytes are there.
    pub(super) fn sparse(&mut self, path: &str, size: u64, pieces: &[(u64, &[u8])]) -> NodeId {
        let pieces = pieces.iter().map(|(at, bytes)| Piece {
            at: *at,
            length: bytes.len() as u64,
            store: self.store.add_bytes(*bytes),
            offset: 0,
        });
        let content = Content { size, pieces: pieces.collect() };
        self.kind(path, Kind::File(content))
    }
}
