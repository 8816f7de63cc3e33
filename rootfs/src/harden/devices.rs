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
    let device = |(path, id)| match tree.node(id).kind {
        Kind::CharacterDevice { major, minor } => {
            Some(Device { path, is_block: false, major, minor })
        }
        Kind::BlockDevice { major, minor } => Some(Device { path, is_block: true, major, minor }),
        _ => None,
    };
    tree.walk().filter_map(device).collect()
}
