//! What is added to a tree: by its path, at one time, owned by root, and never in the place of something.

use std::collections::BTreeMap;

use super::{
    content,
    error::InitError,
    place::{self, End, Lost, PlaceError},
};
use crate::{
    store::{Piece, Store},
    tree::{Content, Kind, Metadata, Name, Node, NodeId, Time, Tree},
};

pub(super) struct Plant<'a> {
    pub(super) tree: &'a mut Tree,
    pub(super) store: &'a mut Store,
    made_at: Time,
    made: Vec<String>,
}

impl<'a> Plant<'a> {
    pub(super) fn new(tree: &'a mut Tree, store: &'a mut Store, made_at: Time) -> Self {
        Self { tree, store, made_at, made: Vec::new() }
    }

    pub(super) fn made(self) -> Vec<String> {
        self.made
    }

    /// All of them on the way, as `mkdir -p` does: links are followed, and what is there stays as it is.
    pub(super) fn directory(&mut self, path: &str, mode: u16) -> Result<NodeId, PlaceError> {
        let (mut here, missing) = match place::find_end(self.tree, path) {
            Ok(End::There(node)) if matches!(self.tree.node(node).kind, Kind::Directory(_)) => {
                return Ok(node);
            }
            Ok(End::Missing(here, missing)) => (here, missing),
            Ok(End::There(_)) | Err(Lost::NotDirectory) => {
                return Err(PlaceError::NotDirectory(path.to_owned()));
            }
            Err(Lost::Missing | Lost::Loop) => return Err(PlaceError::Links(path.to_owned())),
        };
        for name in missing {
            here = self.add(here, name.into(), mode, Kind::Directory(BTreeMap::new()));
        }
        self.made.push(path.to_owned());
        Ok(here)
    }

    /// In a directory that is made when it is missing.
    pub(super) fn file(&mut self, path: &str, mode: u16, bytes: Vec<u8>) -> Result<(), PlaceError> {
        let size = bytes.len() as u64;
        let store = self.store.add_bytes(bytes);
        let piece = Piece { at: 0, length: size, store, offset: 0 };
        let pieces = if size == 0 { Vec::new() } else { vec![piece] };
        self.leaf(path, mode, Kind::File(Content { size, pieces }))
    }

    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<(), PlaceError> {
        self.leaf(path, 0o777, Kind::Symlink(target.as_bytes().into()))
    }

    /// Gives a file that is missing, or is there and empty, what it should have. One with content is the
    /// image's own.
    pub(super) fn fill(&mut self, path: &str, bytes: Vec<u8>) -> Result<(), PlaceError> {
        let found = place::find(self.tree, path);
        match found.map(|node| (node, &self.tree.node(node).kind)) {
            Ok((node, Kind::File(Content { size: 0, .. }))) => {
                let size = bytes.len() as u64;
                let store = self.store.add_bytes(bytes);
                let pieces = vec![Piece { at: 0, length: size, store, offset: 0 }];
                let made_at = self.made_at;
                let file = self.tree.node_mut(node);
                file.kind = Kind::File(Content { size, pieces });
                file.metadata.modified = made_at;
                self.made.push(path.to_owned());
                Ok(())
            }
            // A link that leads nowhere is somebody's, who will make it lead somewhere.
            Err(Lost::Missing) if !self.has_name(path) => self.file(path, 0o644, bytes),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// A whole file of a bounded size; one that is missing is empty.
    pub(super) fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, InitError> {
        let node = match place::find(self.tree, path) {
            Ok(node) => node,
            Err(Lost::Missing | Lost::NotDirectory | Lost::Loop) => return Ok(Vec::new()),
        };
        content::whole(self.tree, self.store, node, limit)
            .map_err(|source| InitError::Content { path: path.to_owned(), source })
    }

    /// Whether something stands under the path's last name, be it a link that leads nowhere.
    pub(super) fn has_name(&self, path: &str) -> bool {
        let (parent, name) = split(path);
        place::find(self.tree, parent)
            .is_ok_and(|parent| self.tree.child(parent, name.as_bytes()).is_some())
    }

    fn leaf(&mut self, path: &str, mode: u16, kind: Kind) -> Result<(), PlaceError> {
        let (parent, name) = split(path);
        let parent = self.directory(parent, 0o755)?;
        if self.tree.child(parent, name.as_bytes()).is_some() {
            return Err(PlaceError::Taken(path.to_owned()));
        }
        self.add(parent, name.as_bytes().into(), mode, kind);
        self.made.push(path.to_owned());
        Ok(())
    }

    fn add(&mut self, parent: NodeId, name: Name, mode: u16, kind: Kind) -> NodeId {
        let metadata = Metadata { mode, modified: self.made_at, ..Metadata::default() };
        let node = self.tree.add(Node { metadata, kind });
        self.tree.link(parent, name, node);
        node
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
