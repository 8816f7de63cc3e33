//! A root filesystem in memory: everything of it but its files' bytes.

mod walk;

use std::{collections::BTreeMap, fmt};

pub use self::walk::Walk;
use crate::store::Piece;

/// A name in a directory: never empty, `.` or `..`, and without `/` and zero bytes.
pub type Name = Box<[u8]>;

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

impl fmt::Debug for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "#{}", self.0)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    pub seconds: i64,
    pub nanoseconds: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Its twelve low bits.
    pub mode: u16,
    pub user: u32,
    pub group: u32,
    pub modified: Time,
    /// By their whole names, `user.` and all.
    pub attributes: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

/// What no piece covers is a hole. Pieces are in order and don't overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    pub size: u64,
    pub pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Directory(BTreeMap<Name, NodeId>),
    File(Content),
    Symlink(Box<[u8]>),
    CharacterDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
    Fifo,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub metadata: Metadata,
    pub kind: Kind,
}

/// Names lead from directories to nodes; several may lead to one that is no directory. A node that no
/// name leads to is not in the tree any more, though its number stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    pub const ROOT: NodeId = NodeId(0);

    /// An empty directory, with what is said of it.
    pub fn new(root: Metadata) -> Self {
        Self { nodes: vec![Node { metadata: root, kind: Kind::Directory(BTreeMap::new()) }] }
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    /// A node that nothing leads to yet.
    pub fn add(&mut self, node: Node) -> NodeId {
        let id = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(node);
        NodeId(id)
    }

    /// What a name in a directory leads to.
    pub fn child(&self, directory: NodeId, name: &[u8]) -> Option<NodeId> {
        match &self.node(directory).kind {
            Kind::Directory(children) => children.get(name).copied(),
            _ => None,
        }
    }

    /// Lets a name lead to a node; what it led to before is returned. Nothing happens in what is no
    /// directory.
    pub fn link(&mut self, directory: NodeId, name: Name, node: NodeId) -> Option<NodeId> {
        match &mut self.node_mut(directory).kind {
            Kind::Directory(children) => children.insert(name, node),
            _ => None,
        }
    }

    /// Takes a name away, and so all below it that no other name leads to.
    pub fn unlink(&mut self, directory: NodeId, name: &[u8]) -> Option<NodeId> {
        match &mut self.node_mut(directory).kind {
            Kind::Directory(children) => children.remove(name),
            _ => None,
        }
    }

    pub fn walk(&self) -> Walk<'_> {
        Walk::of(self)
    }

    /// The first path that leads to a node, for messages: all others are looked at.
    pub fn path_of(&self, node: NodeId) -> Option<Vec<u8>> {
        let mut walk = self.walk();
        while let Some((path, id)) = walk.advance() {
            if id == node {
                return Some(path.to_vec());
            }
        }
        None
    }

    /// Files that a directory's names lead to, however deep; one with several names comes as often.
    pub fn files_below(&self, directory: NodeId) -> Vec<NodeId> {
        let mut files = Vec::new();
        let mut waiting = vec![directory];
        while let Some(id) = waiting.pop() {
            match &self.node(id).kind {
                Kind::Directory(children) => waiting.extend(children.values()),
                Kind::File(_) => files.push(id),
                _ => {}
            }
        }
        files
    }

    /// How many names lead to each node that any leads to; the root has one.
    pub fn links(&self) -> BTreeMap<NodeId, u32> {
        let mut links = BTreeMap::new();
        let mut waiting = vec![Self::ROOT];
        while let Some(id) = waiting.pop() {
            *links.entry(id).or_insert(0) += 1;
            if let Kind::Directory(children) = &self.node(id).kind {
                waiting.extend(children.values());
            }
        }
        links
    }
}
