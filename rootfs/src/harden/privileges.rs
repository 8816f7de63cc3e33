//! Modes and attributes that give more rights than whoever uses a file has.

use super::{Policy, Rule};
use crate::tree::{Kind, Node, NodeId, Tree};

const SET_USER: u16 = 0o4000;
const SET_GROUP: u16 = 0o2000;
const STICKY: u16 = 0o1000;
const WRITABLE: u16 = 0o002;
const CAPABILITIES: &[u8] = b"security.capability";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Privilege {
    SetUser,
    /// On a file. On a directory it hands the group on to new files, which is no right of anyone's.
    SetGroup,
    Capabilities,
    WorldWritable,
}

/// Each name of a file with several is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privileged {
    pub path: Vec<u8>,
    pub privilege: Privilege,
    /// As it was found.
    pub mode: u16,
    pub stripped: bool,
    node: NodeId,
}

impl Privileged {
    pub(super) fn rule(&self, policy: &Policy) -> Rule {
        rule(self.privilege, policy)
    }
}

pub(super) fn find(tree: &Tree, policy: &Policy) -> Vec<Privileged> {
    let mut found = Vec::new();
    let mut walk = tree.walk();
    while let Some((path, id)) = walk.advance() {
        let node = tree.node(id);
        for privilege in of(node) {
            let stripped = rule(privilege, policy) == Rule::Strip;
            let (path, mode) = (path.to_vec(), node.metadata.mode);
            found.push(Privileged { path, privilege, mode, stripped, node: id });
        }
    }
    found
}

pub(super) fn strip(tree: &mut Tree, found: &[Privileged]) {
    for one in found.iter().filter(|one| one.stripped) {
        let metadata = &mut tree.node_mut(one.node).metadata;
        match one.privilege {
            Privilege::SetUser => metadata.mode &= !SET_USER,
            Privilege::SetGroup => metadata.mode &= !SET_GROUP,
            Privilege::WorldWritable => metadata.mode &= !WRITABLE,
            Privilege::Capabilities => {
                metadata.attributes.remove(CAPABILITIES);
            }
        }
    }
}

fn rule(privilege: Privilege, policy: &Policy) -> Rule {
    match privilege {
        Privilege::SetUser | Privilege::SetGroup => policy.set_id,
        Privilege::Capabilities => policy.capabilities,
        Privilege::WorldWritable => policy.world_writable,
    }
}

fn of(node: &Node) -> impl Iterator<Item = Privilege> {
    let mode = node.metadata.mode;
    let is_file = matches!(node.kind, Kind::File(_));
    let writable = match node.kind {
        Kind::Directory(_) => mode & STICKY == 0,
        Kind::File(_) | Kind::Fifo => true,
        // A link has no mode of its own; who may use a device is that device's matter.
        _ => false,
    };
    let all = [
        (is_file && mode & SET_USER != 0, Privilege::SetUser),
        (is_file && mode & SET_GROUP != 0, Privilege::SetGroup),
        (is_file && node.metadata.attributes.contains_key(CAPABILITIES), Privilege::Capabilities),
        (writable && mode & WRITABLE != 0, Privilege::WorldWritable),
    ];
    all.into_iter().filter_map(|(holds, privilege)| holds.then_some(privilege))
}
