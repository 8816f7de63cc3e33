//! The descriptor of a group, and the two bitmaps that it speaks of.

use super::{
    bitmap,
    checksum::Seed,
    field::{low_16, put, put_halves, put_wide},
    geometry::{BLOCKS_PER_GROUP, DESCRIPTOR_BYTES, Geometry},
};

/// The table of inodes is all there: nothing needs to zero it later.
const TABLE_IS_ZEROED: u16 = 4;

/// What of a file system is used, as far as groups tell of it.
#[derive(Debug)]
pub(super) struct Usage<'plan> {
    pub(super) geometry: &'plan Geometry,
    /// Every block before this one is used.
    pub(super) blocks: u64,
    /// Every inode up to this one is used.
    pub(super) inodes: u32,
    /// Directories of each group.
    pub(super) directories: &'plan [u32],
}

#[derive(Debug)]
pub(super) struct Described {
    pub(super) descriptor: [u8; DESCRIPTOR_BYTES],
    pub(super) block_bitmap: Vec<u8>,
    pub(super) inode_bitmap: Vec<u8>,
}

impl Usage<'_> {
    pub(super) fn describe(&self, index: usize, seed: Seed) -> Described {
        let group = self.geometry.groups[index];
        let block_bitmap = self.block_bitmap(index as u64);
        let free_blocks = BLOCKS_PER_GROUP - bitmap::count(&block_bitmap);
        let per_group = u64::from(self.geometry.inodes_per_group);
        let (inode_bitmap, used_inodes) = self.inode_bitmap(index as u64);
        let free_inodes = per_group - used_inodes;

        let mut descriptor = [0; DESCRIPTOR_BYTES];
        put_wide(&mut descriptor, 0x00, 0x20, group.block_bitmap);
        put_wide(&mut descriptor, 0x04, 0x24, group.inode_bitmap);
        put_wide(&mut descriptor, 0x08, 0x28, group.inode_table);
        put(&mut descriptor, 0x0c, low_16(free_blocks));
        put(&mut descriptor, 0x0e, low_16(free_inodes));
        put(&mut descriptor, 0x10, low_16(u64::from(self.directories[index])));
        put(&mut descriptor, 0x12, TABLE_IS_ZEROED.to_le_bytes());
        put_halves(&mut descriptor, 0x18, 0x38, seed.sum(&block_bitmap));
        let inode_bytes = usize::try_from(per_group / 8).unwrap_or(usize::MAX);
        put_halves(&mut descriptor, 0x1a, 0x3a, seed.sum(&inode_bitmap[..inode_bytes]));
        // Inodes are used from the front: those at the end never were.
        put(&mut descriptor, 0x1c, low_16(free_inodes));
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let sum = seed.and(&number.to_le_bytes()).sum(&descriptor);
        put(&mut descriptor, 0x1e, low_16(u64::from(sum)));
        Described { descriptor, block_bitmap, inode_bitmap }
    }

    fn block_bitmap(&self, index: u64) -> Vec<u8> {
        let group = self.geometry.group(index);
        let mut bits = bitmap::empty();
        let inside = |block: u64| block.clamp(group.start, group.end) - group.start;
        bitmap::set(&mut bits, 0..inside(self.blocks));
        let taken = &self.geometry.taken;
        let first = taken.partition_point(|range| range.end <= group.start);
        for range in taken[first..].iter().take_while(|range| range.start < group.end) {
            bitmap::set(&mut bits, inside(range.start)..inside(range.end));
        }
        // What the last group does not have counts as used.
        bitmap::set(&mut bits, group.end - group.start..BLOCKS_PER_GROUP);
        bits
    }

    /// Also tells how many are used.
    fn inode_bitmap(&self, index: u64) -> (Vec<u8>, u64) {
        let per_group = u64::from(self.geometry.inodes_per_group);
        let used = u64::from(self.inodes).saturating_sub(index * per_group).min(per_group);
        let mut bits = bitmap::empty();
        bitmap::set(&mut bits, 0..used);
        bitmap::set(&mut bits, per_group..BLOCKS_PER_GROUP);
        (bits, used)
    }
}
