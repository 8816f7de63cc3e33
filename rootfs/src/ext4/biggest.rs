//! The directories that make a file system large.

use std::fmt;

use crate::tree::{Kind, Tree};

use super::{geometry::BLOCK, inventory::Inventory, path};

const TOLD: usize = 8;

/// A directory, and the bytes that all below it take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holds {
    pub path: String,
    pub bytes: u64,
}

/// The largest first. One that is large by a single directory in it is left out: that one says more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Biggest(pub Vec<Holds>);

impl Biggest {
    pub(super) fn of(tree: &Tree, inventory: &Inventory) -> Self {
        let inodes = &inventory.inodes;
        let mut blocks: Vec<u64> = inodes
            .iter()
            .map(|inode| inode.need.data.iter().map(|stretch| u64::from(stretch.length)).sum())
            .collect();
        let is_directory = |place: usize| {
            let node = inodes[place].node.map(|id| &tree.node(id).kind);
            matches!(node, Some(Kind::Directory(_)))
        };
        // Parents come before what is in them.
        let mut largest_child = vec![0; inodes.len()];
        for place in (1..inodes.len()).rev() {
            let parent = inodes[place].parent;
            blocks[parent] += blocks[place];
            if is_directory(place) {
                largest_child[parent] = blocks[place].max(largest_child[parent]);
            }
        }
        let mut places: Vec<usize> = (1..inodes.len())
            .filter(|place| is_directory(*place) && largest_child[*place] * 5 < blocks[*place] * 4)
            .collect();
        places.sort_by_key(|place| (std::cmp::Reverse(blocks[*place]), *place));
        places.truncate(TOLD);
        if places.is_empty() {
            places.push(0);
        }
        let told = places.into_iter().filter_map(|place| {
            let path = path::of(tree, inodes[place].node?);
            Some(Holds { path, bytes: blocks[place] * BLOCK })
        });
        Self(told.collect())
    }
}

impl fmt::Display for Biggest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Holds { path, bytes }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(formatter, "{separator}{path} ({} KiB)", bytes / 1024)?;
        }
        Ok(())
    }
}
