//! Taking names out of a tree, and counting what that frees.

use std::collections::BTreeMap;

use crate::tree::{Content, Kind, Node, NodeId, Tree};

const BLOCK: u64 = 4096;
/// A longer target needs a block.
const INLINE_TARGET: usize = 59;

/// What a file system needs no longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    pub names: u64,
    /// Whole blocks: those of a file are free once its last name is gone.
    pub bytes: u64,
}

impl Freed {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl std::ops::AddAssign for Freed {
    fn add_assign(&mut self, other: Self) {
        self.names += other.names;
        self.bytes += other.bytes;
    }
}

/// What becomes of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// With everything below it.
    Stays,
    /// Itself, but not what is below it unless that is told to.
    StaysAlone,
    /// Unless something below it stays.
    Goes,
}

/// A tree that names are taken out of. Holds how many names are left of every node.
#[derive(Debug)]
pub(crate) struct Removal<'tree> {
    tree: &'tree mut Tree,
    links: BTreeMap<NodeId, u32>,
}

impl<'tree> Removal<'tree> {
    pub(crate) fn new(tree: &'tree mut Tree) -> Self {
        let links = tree.links();
        Self { tree, links }
    }

    pub(crate) fn tree(&self) -> &Tree {
        self.tree
    }

    /// Takes a name, and everything below it.
    pub(crate) fn take(&mut self, directory: NodeId, name: &[u8]) -> Freed {
        let mut freed = Freed::default();
        let mut waiting: Vec<NodeId> = self.tree.unlink(directory, name).into_iter().collect();
        while let Some(id) = waiting.pop() {
            freed.names += 1;
            let Some(links) = self.links.get_mut(&id) else { continue };
            *links = links.saturating_sub(1);
            if *links > 0 {
                continue;
            }
            let node = self.tree.node(id);
            freed.bytes += footprint(node);
            if let Kind::Directory(children) = &node.kind {
                waiting.extend(children.values());
            }
        }
        freed
    }

    /// Takes the bytes of a file and leaves its names.
    pub(crate) fn empty(&mut self, file: NodeId) -> Freed {
        let node = self.tree.node_mut(file);
        let bytes = footprint(node);
        if let Kind::File(content) = &mut node.kind {
            *content = Content::default();
        }
        Freed { names: 0, bytes }
    }

    /// Decides about all below a directory; `decide` is told the path below it.
    pub(crate) fn sweep(
        &mut self,
        directory: NodeId,
        decide: &dyn Fn(&[u8], &Node) -> Fate,
    ) -> Freed {
        self.sweep_below(directory, &mut Vec::new(), decide)
    }

    /// Calls itself as deep as the tree is, which the length of a path limits.
    fn sweep_below(
        &mut self,
        directory: NodeId,
        path: &mut Vec<u8>,
        decide: &dyn Fn(&[u8], &Node) -> Fate,
    ) -> Freed {
        let mut freed = Freed::default();
        let Kind::Directory(children) = &self.tree.node(directory).kind else { return freed };
        for (name, child) in children.clone() {
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
            let fate = decide(path, self.tree.node(child));
            if fate != Fate::Stays {
                freed += self.sweep_below(child, path, decide);
            }
            if fate == Fate::Goes && !self.holds_something(child) {
                freed += self.take(directory, &name);
            }
            path.truncate(length);
        }
        freed
    }

    fn holds_something(&self, id: NodeId) -> bool {
        matches!(&self.tree.node(id).kind, Kind::Directory(children) if !children.is_empty())
    }
}

/// What stands in the inode itself counts nothing.
pub(crate) fn footprint(node: &Node) -> u64 {
    match &node.kind {
        Kind::Directory(children) => {
            let entries = children.keys().map(|name| 8 + name.len().next_multiple_of(4) as u64);
            entries.sum::<u64>().max(1).next_multiple_of(BLOCK)
        }
        Kind::File(content) => {
            let mut free_from = 0;
            let blocks = content.pieces.iter().filter(|piece| piece.length > 0).map(|piece| {
                let first = (piece.at / BLOCK).max(free_from);
                free_from = (piece.at + piece.length).div_ceil(BLOCK).max(first);
                free_from - first
            });
            blocks.sum::<u64>() * BLOCK
        }
        Kind::Symlink(target) if target.len() > INLINE_TARGET => BLOCK,
        _ => 0,
    }
}
