//! The blocks that an inode has, in the order in which they are given out: the one with its attributes, its
//! data, and the tree over its extents.

use super::{
    extents::{Extent, LONGEST, tree_blocks},
    need::Need,
    space::Space,
};

#[derive(Debug, Default)]
pub(super) struct Allocation {
    pub(super) attributes: Option<u64>,
    pub(super) extents: Vec<Extent>,
    pub(super) tree: Vec<u64>,
}

impl Allocation {
    pub(super) fn of(need: &Need, space: &mut Space<'_>) -> Self {
        let attributes = need.attributes.then(|| space.together(1));
        let mut extents = Vec::new();
        for stretch in &need.data {
            let mut logical = stretch.start;
            let end = stretch.start + stretch.length;
            while logical < end {
                let run = space.take(u64::from(end - logical).min(LONGEST));
                let length = u16::try_from(run.length).unwrap_or(u16::MAX);
                extents.push(Extent { logical, length, physical: run.start });
                logical += u32::from(length);
            }
        }
        let tree = (0..tree_blocks(extents.len())).map(|_| space.together(1)).collect();
        Self { attributes, extents, tree }
    }

    /// Everything that the inode has.
    pub(super) fn blocks(&self) -> u64 {
        let data: u64 = self.extents.iter().map(|extent| u64::from(extent.length)).sum();
        data + u64::from(self.attributes.is_some()) + self.tree.len() as u64
    }
}
