//! Where a file system of a given size keeps its groups' own blocks.

use std::ops::Range;

use super::space::Space;

pub(super) const BLOCK: u64 = 4096;
pub(super) const BLOCK_BYTES: usize = 4096;
pub(super) const BLOCKS_PER_GROUP: u64 = 8 * BLOCK;
pub(super) const INODE_BYTES: usize = 256;
pub(super) const DESCRIPTOR_BYTES: usize = 64;
/// Groups whose bitmaps and tables stand together.
pub(super) const GROUPS_PER_FLEX: usize = 16;
/// The resize inode reaches no further.
pub(super) const MOST_BLOCKS: u64 = u32::MAX as u64;

const INODES_PER_BLOCK: u64 = 16;
const MOST_INODES_PER_GROUP: u64 = 8 * BLOCK;
const DESCRIPTORS_PER_BLOCK: u64 = 64;
/// As many blocks get one inode, if the tree does not need more.
const BLOCKS_PER_INODE: u64 = 4;
/// A last group with less than this to give away is left out.
const LEAST_OF_LAST_GROUP: u64 = 50;

#[derive(Debug)]
pub(super) struct Geometry {
    pub(super) blocks: u64,
    pub(super) inodes_per_group: u32,
    /// Of the descriptors, and kept for more of them.
    pub(super) descriptor_blocks: u64,
    pub(super) reserved_blocks: u64,
    pub(super) groups: Vec<Group>,
    /// Blocks that no file can have, in order.
    pub(super) taken: Vec<Range<u64>>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Group {
    pub(super) block_bitmap: u64,
    pub(super) inode_bitmap: u64,
    pub(super) inode_table: u64,
}

/// Why there is no file system of this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cramped {
    /// Its groups leave no room; one of so many blocks may.
    Needs(u64),
    /// Its last group is too small to be one: so many blocks less have none such, so many in all make it
    /// large enough.
    LastGroup { without: u64, with: u64 },
}

impl Geometry {
    /// Of a size in blocks, with room for so many inodes and some more.
    pub(super) fn of(blocks: u64, inodes: u64) -> Result<Self, Cramped> {
        let groups = blocks.div_ceil(BLOCKS_PER_GROUP).max(1);
        let least_groups = inodes.div_ceil(MOST_INODES_PER_GROUP);
        if groups < least_groups {
            let full = (least_groups - 1) * BLOCKS_PER_GROUP;
            return Err(Cramped::Needs(full + LEAST_OF_LAST_GROUP));
        }
        let wanted = (inodes + inodes / 8 + 64).max(blocks / BLOCKS_PER_INODE);
        let inodes_per_group =
            wanted.div_ceil(groups).next_multiple_of(INODES_PER_BLOCK).min(MOST_INODES_PER_GROUP);
        let descriptor_blocks = groups.div_ceil(DESCRIPTORS_PER_BLOCK);
        let reserved_blocks = reserved_blocks(blocks, descriptor_blocks);
        let copy = 1 + descriptor_blocks + reserved_blocks;

        let start_of_last = (groups - 1) * BLOCKS_PER_GROUP;
        let own = if has_copy(groups - 1) { copy } else { 0 };
        let with = start_of_last + own + LEAST_OF_LAST_GROUP;
        if groups > 1 && blocks < with {
            return Err(Cramped::LastGroup { without: start_of_last, with });
        }
        let copies = (0..groups).filter(|group| has_copy(*group)).map(|group| {
            let start = group * BLOCKS_PER_GROUP;
            start..start + copy
        });
        let mut taken: Vec<_> = copies.collect();
        let table_blocks = inodes_per_group / INODES_PER_BLOCK;
        let (tables, end) = place_tables(groups, table_blocks, &mut taken);
        if end > blocks {
            return Err(Cramped::Needs(end));
        }
        let inodes_per_group = u32::try_from(inodes_per_group).unwrap_or(u32::MAX);
        Ok(Self {
            blocks,
            inodes_per_group,
            descriptor_blocks,
            reserved_blocks,
            groups: tables,
            taken,
        })
    }

    pub(super) fn inodes(&self) -> u32 {
        u32::try_from(self.groups.len()).unwrap_or(u32::MAX).saturating_mul(self.inodes_per_group)
    }

    /// The blocks of a group.
    pub(super) fn group(&self, index: u64) -> Range<u64> {
        let start = index * BLOCKS_PER_GROUP;
        start..(start + BLOCKS_PER_GROUP).min(self.blocks)
    }

    /// Groups that have a copy of the superblock and of the descriptors, the first one's own left out.
    pub(super) fn copies(&self) -> impl Iterator<Item = u64> {
        (1..self.groups.len() as u64).filter(|group| has_copy(*group))
    }

    /// Where inodes of this number stand: the block, and the offset in it.
    pub(super) fn inode_place(&self, number: u32) -> u64 {
        let index = number - 1;
        let group = &self.groups[(index / self.inodes_per_group) as usize];
        group.inode_table * BLOCK + u64::from(index % self.inodes_per_group) * INODE_BYTES as u64
    }
}

/// Sparse copies: the first two groups, and those whose number is a power of 3, 5 or 7.
fn has_copy(group: u64) -> bool {
    let power_of = |base: u64| {
        let mut power = base;
        while power < group {
            power *= base;
        }
        power == group
    };
    group <= 1 || power_of(3) || power_of(5) || power_of(7)
}

/// Descriptors for a thousand times the size, as far as one block of pointers reaches.
fn reserved_blocks(blocks: u64, descriptor_blocks: u64) -> u64 {
    let most = (blocks * 1024).min(MOST_BLOCKS);
    let groups = most.div_ceil(BLOCKS_PER_GROUP);
    let wanted = groups.div_ceil(DESCRIPTORS_PER_BLOCK).saturating_sub(descriptor_blocks);
    wanted.min(BLOCK / 4)
}

/// Finds room for every group's bitmaps and tables, and takes it. Also tells where the last one ends.
fn place_tables(groups: u64, table: u64, taken: &mut Vec<Range<u64>>) -> (Vec<Group>, u64) {
    let copies = taken.clone();
    let mut tables = vec![Group::default(); usize::try_from(groups).unwrap_or(usize::MAX)];
    let mut end = 0;
    for (flex, members) in (0..).zip(tables.chunks_mut(GROUPS_PER_FLEX)) {
        let start: u64 = flex * GROUPS_PER_FLEX as u64 * BLOCKS_PER_GROUP;
        let mut space = Space::new(&copies, start.max(end));
        let mut place = |length| {
            let found = space.together(length);
            taken.push(found..found + length);
            end = found + length;
            found
        };
        let count = members.len() as u64;
        for (bitmap, member) in (place(count)..).zip(members.iter_mut()) {
            member.block_bitmap = bitmap;
        }
        for (bitmap, member) in (place(count)..).zip(members.iter_mut()) {
            member.inode_bitmap = bitmap;
        }
        for member in members {
            member.inode_table = place(table);
        }
    }
    taken.sort_unstable_by_key(|range| range.start);
    taken.dedup_by(|next, before| {
        let touch = next.start == before.end;
        if touch {
            before.end = next.end;
        }
        touch
    });
    (tables, end)
}
