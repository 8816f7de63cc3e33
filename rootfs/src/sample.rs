//! Trees for tests.

use std::collections::BTreeMap;

use crate::{
    store::{Piece, Store},
    tree::{Content, Kind, Metadata, Node, NodeId, Tree},
};

#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) tree: Tree,
    pub(crate) store: Store,
}

impl Sample {
    pub(crate) fn new() -> Self {
        let tree = Tree::new(Metadata { mode: 0o755, ..Metadata::default() });
        Self { tree, store: Store::default() }
    }

    pub(crate) fn add(&mut self, directory: NodeId, name: &[u8], kind: Kind) -> NodeId {
        let metadata = Metadata { mode: 0o644, ..Metadata::default() };
        self.add_with(directory, name, kind, metadata)
    }

    pub(crate) fn add_with(
        &mut self,
        directory: NodeId,
        name: &[u8],
        kind: Kind,
        metadata: Metadata,
    ) -> NodeId {
        let id = self.tree.add(Node { metadata, kind });
        self.tree.link(directory, name.into(), id);
        id
    }

    pub(crate) fn directory(&mut self, parent: NodeId, name: &[u8]) -> NodeId {
        let metadata = Metadata { mode: 0o755, ..Metadata::default() };
        self.add_with(parent, name, Kind::Directory(BTreeMap::new()), metadata)
    }

    /// A file of `size` bytes, of which these stand at their places.
    pub(crate) fn content(&mut self, size: u64, parts: &[(u64, &[u8])]) -> Kind {
        let pieces = parts.iter().map(|(at, bytes)| Piece {
            at: *at,
            length: bytes.len() as u64,
            store: self.store.add_bytes(*bytes),
            offset: 0,
        });
        let pieces = pieces.collect();
        Kind::File(Content { size, pieces })
    }

    /// Below directories that are made where they are missing; below a directory itself if the path ends
    /// in `/`.
    pub(crate) fn put(&mut self, path: &str, kind: Kind) -> NodeId {
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut directory = Tree::ROOT;
        for parent in parents.split('/').filter(|parent| !parent.is_empty()) {
            directory = match self.tree.child(directory, parent.as_bytes()) {
                Some(child) => child,
                None => self.directory(directory, parent.as_bytes()),
            };
        }
        if name.is_empty() { directory } else { self.add(directory, name.as_bytes(), kind) }
    }

    pub(crate) fn put_file(&mut self, path: &str, bytes: impl AsRef<[u8]>) -> NodeId {
        let file = self.file(bytes.as_ref());
        self.put(path, file)
    }

    pub(crate) fn put_link(&mut self, path: &str, target: &str) -> NodeId {
        self.put(path, Kind::Symlink(target.as_bytes().into()))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.tree.walk().map(|(path, _)| String::from_utf8_lossy(&path).into_owned());
        names.skip(1).collect()
    }

    pub(crate) fn file(&mut self, bytes: &[u8]) -> Kind {
        self.content(bytes.len() as u64, &[(0, bytes)])
    }
}
