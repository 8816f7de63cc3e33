//! The superblock and its copies.

use super::{
    checksum::Seed,
    extents::ROOT_BYTES,
    field::{low_16, low_32, put, put_wide},
    geometry::{BLOCKS_PER_GROUP, Geometry},
    inventory::LOST_AND_FOUND,
    journal,
};

const BYTES: usize = 1024;
/// Of the first one, in its block; copies stand at the start of theirs.
pub(super) const OFFSET: u64 = 1024;

const HAS_JOURNAL: u32 = 0x4;
/// Attributes, the resize inode, hashed directories.
const COMPATIBLE: u32 = 0x8 | 0x10 | 0x20;
/// Types in directories, extents, 64 bits, groups whose tables stand together.
const INCOMPATIBLE: u32 = 0x2 | 0x40 | 0x80 | 0x200;
/// Sparse copies, large and huge files, many subdirectories, large inodes, checksums.
const READ_ONLY_COMPATIBLE: u32 = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x400;

const SIGNED_HASH: u32 = 1;
const HALF_MD4: u8 = 1;
const CRC_32C: u8 = 1;
/// Attributes of users and access lists need no mount option.
const MOUNT_OPTIONS: u32 = 0x4 | 0x8;
const FLEX_BITS: u8 = 4;
const BLOCK_BITS_OVER_1_KIB: u32 = 2;

#[derive(Debug)]
pub(super) struct Superblock<'plan> {
    pub(super) geometry: &'plan Geometry,
    pub(super) free_blocks: u64,
    pub(super) free_inodes: u32,
    pub(super) uuid: [u8; 16],
    pub(super) hash_seed: [u8; 16],
    pub(super) made: u64,
    pub(super) label: &'plan str,
    /// The block map and the size of the journal's inode, if there is one.
    pub(super) journal: Option<([u8; ROOT_BYTES], u64)>,
}

impl Superblock<'_> {
    /// The copy of a group.
    pub(super) fn encode(&self, group: u64) -> [u8; BYTES] {
        let mut block = [0; BYTES];
        let per_group = low_32(BLOCKS_PER_GROUP);
        put(&mut block, 0x00, self.geometry.inodes().to_le_bytes());
        put_wide(&mut block, 0x04, 0x150, self.geometry.blocks);
        put_wide(&mut block, 0x0c, 0x158, self.free_blocks);
        put(&mut block, 0x10, self.free_inodes.to_le_bytes());
        put(&mut block, 0x18, BLOCK_BITS_OVER_1_KIB.to_le_bytes());
        put(&mut block, 0x1c, BLOCK_BITS_OVER_1_KIB.to_le_bytes());
        put(&mut block, 0x20, per_group);
        put(&mut block, 0x24, per_group);
        put(&mut block, 0x28, self.geometry.inodes_per_group.to_le_bytes());
        // Never to be checked for the number of its mounts; it is clean, and goes on after errors.
        put(&mut block, 0x36, u16::MAX.to_le_bytes());
        put(&mut block, 0x38, 0xef53_u16.to_le_bytes());
        put(&mut block, 0x3a, 1_u16.to_le_bytes());
        put(&mut block, 0x3c, 1_u16.to_le_bytes());
        put(&mut block, 0x4c, 1_u32.to_le_bytes());
        put(&mut block, 0x54, LOST_AND_FOUND.to_le_bytes());
        put(&mut block, 0x58, 256_u16.to_le_bytes());
        put(&mut block, 0x5a, low_16(group));
        let journal = if self.journal.is_some() { HAS_JOURNAL } else { 0 };
        put(&mut block, 0x5c, (COMPATIBLE | journal).to_le_bytes());
        put(&mut block, 0x60, INCOMPATIBLE.to_le_bytes());
        put(&mut block, 0x64, READ_ONLY_COMPATIBLE.to_le_bytes());
        put(&mut block, 0x68, self.uuid);
        for (place, byte) in block[0x78..0x88].iter_mut().zip(self.label.bytes()) {
            *place = byte;
        }
        put(&mut block, 0xce, low_16(self.geometry.reserved_blocks));
        put(&mut block, 0xec, self.hash_seed);
        block[0xfc] = HALF_MD4;
        put(&mut block, 0xfe, 64_u16.to_le_bytes());
        put(&mut block, 0x100, MOUNT_OPTIONS.to_le_bytes());
        put(&mut block, 0x15c, 32_u16.to_le_bytes());
        put(&mut block, 0x15e, 32_u16.to_le_bytes());
        put(&mut block, 0x160, SIGNED_HASH.to_le_bytes());
        block[0x174] = FLEX_BITS;
        block[0x175] = CRC_32C;
        self.put_times(&mut block);
        self.put_journal(&mut block);
        let sum = Seed::NONE.sum(&block[..BYTES - 4]);
        put(&mut block, BYTES - 4, sum.to_le_bytes());
        block
    }

    /// Written, checked and made, each with a fifth byte that stands apart.
    fn put_times(&self, block: &mut [u8]) {
        let [a, b, c, d, high, ..] = self.made.to_le_bytes();
        for (low, fifth) in [(0x30, 0x274), (0x40, 0x277), (0x108, 0x276)] {
            put(block, low, [a, b, c, d]);
            block[fifth] = high;
        }
    }

    /// Where the journal is, and that once more, should its inode be lost.
    fn put_journal(&self, block: &mut [u8]) {
        let Some((map, size)) = self.journal else { return };
        put(block, 0xe0, journal::NUMBER.to_le_bytes());
        block[0xfd] = 1;
        put(block, 0x10c, map);
        put_wide(block, 0x14c, 0x148, size);
    }
}
