//! Paths in a tree, as a process in it would follow them: links end at the root, never outside.

use crate::tree::{Kind, NodeId, Tree};

/// The kernel's.
const MAX_LINKS: u32 = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    Missing,
    /// Something on the way is no directory.
    NotDirectory,
    /// More links than the kernel follows.
    Loop,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error("{0} cannot be made: something on the way is no directory")]
    NotDirectory(String),
    #[error("{0} cannot be made: the image has something there")]
    Taken(String),
    #[error("{0} cannot be made: its links lead nowhere")]
    Links(String),
}

/// What the path leads to from the root on, its last link followed too.
pub(super) fn find(tree: &Tree, path: &str) -> Result<NodeId, Lost> {
    Walk::new(path).go(tree).map_err(|(lost, _)| lost)
}

/// Where a path ends.
pub(super) enum End {
    There(NodeId),
    /// The directory that it got to, and the names that are missing there.
    Missing(NodeId, Vec<Vec<u8>>),
}

/// As [`find`], for somebody who would make what is missing.
pub(super) fn find_end(tree: &Tree, path: &str) -> Result<End, Lost> {
    let mut walk = Walk::new(path);
    match walk.go(tree) {
        Ok(node) => Ok(End::There(node)),
        Err((Lost::Missing, Some(name))) => {
            let names: Vec<_> = [name].into_iter().chain(walk.waiting.drain(..).rev()).collect();
            // Where nothing is, one can't go back up.
            if names.iter().any(|name| matches!(&**name, b"." | b"..")) {
                return Err(Lost::Missing);
            }
            Ok(End::Missing(walk.here(), names))
        }
        Err((lost, _)) => Err(lost),
    }
}

struct Walk {
    /// From the root on; empty is the root.
    way: Vec<NodeId>,
    /// The next one last.
    waiting: Vec<Vec<u8>>,
    links: u32,
}

impl Walk {
    fn new(path: &str) -> Self {
        let mut walk = Self { way: Vec::new(), waiting: Vec::new(), links: 0 };
        walk.push(path.as_bytes());
        walk
    }

    fn push(&mut self, path: &[u8]) {
        let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        self.waiting.extend(names.rev().map(<[u8]>::to_vec));
    }

    fn here(&self) -> NodeId {
        self.way.last().copied().unwrap_or(Tree::ROOT)
    }

    /// A name that is missing comes with the loss.
    fn go(&mut self, tree: &Tree) -> Result<NodeId, (Lost, Option<Vec<u8>>)> {
        while let Some(name) = self.waiting.pop() {
            if !matches!(tree.node(self.here()).kind, Kind::Directory(_)) {
                return Err((Lost::NotDirectory, None));
            }
            match &*name {
                b"." => {}
                b".." => drop(self.way.pop()),
                _ => match tree.child(self.here(), &name) {
                    None => return Err((Lost::Missing, Some(name))),
                    Some(child) => self.enter(tree, child)?,
                },
            }
        }
        Ok(self.here())
    }

    fn enter(&mut self, tree: &Tree, child: NodeId) -> Result<(), (Lost, Option<Vec<u8>>)> {
        let Kind::Symlink(target) = &tree.node(child).kind else {
            self.way.push(child);
            return Ok(());
        };
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err((Lost::Loop, None));
        }
        if target.starts_with(b"/") {
            self.way.clear();
        }
        self.push(target);
        Ok(())
    }
}
