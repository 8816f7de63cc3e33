//! Device nodes of a tree.

use crate::tree::{Kind, Tree};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub path: Vec<u8>,
    pub is_block: bool,
    pub major: u32,
    pub minor: u32,
}

pub(super) fn find(tree: &Tree) -> Vec<Device> {
    let mut found = Vec::new();
    let mut walk = tree.walk();
    while let Some((path, id)) = walk.advance() {
        let (is_block, major, minor) = match tree.node(id).kind {
            Kind::CharacterDevice { major, minor } => (false, major, minor),
            Kind::BlockDevice { major, minor } => (true, major, minor),
            _ => continue,
        };
        found.push(Device { path: path.to_vec(), is_block, major, minor });
    }
    found
}
