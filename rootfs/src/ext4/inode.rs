//! The 256 bytes of an inode.

use crate::tree::Time;

use super::{
    attributes::BODY_BYTES,
    checksum::Seed,
    extents::ROOT_BYTES,
    field::{put, put_48, put_halves, put_wide},
    geometry::INODE_BYTES,
    time,
};

pub(super) const EXTENTS: u32 = 0x8_0000;
pub(super) const HASHED: u32 = 0x1000;

pub(super) const FIFO: u16 = 0o1_0000;
pub(super) const CHARACTER_DEVICE: u16 = 0o2_0000;
pub(super) const DIRECTORY: u16 = 0o4_0000;
pub(super) const BLOCK_DEVICE: u16 = 0o6_0000;
pub(super) const FILE: u16 = 0o10_0000;
pub(super) const SYMLINK: u16 = 0o12_0000;

/// Fields behind the first 128 bytes that are in use.
const EXTRA_BYTES: u16 = 32;
const SECTORS_PER_BLOCK: u64 = 8;

#[derive(Clone, Debug)]
pub(super) struct Fields {
    /// Its type and its twelve low bits.
    pub(super) mode: u16,
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) links: u16,
    pub(super) size: u64,
    pub(super) blocks: u64,
    pub(super) flags: u32,
    /// Extents, a short symlink or a device's number.
    pub(super) map: [u8; ROOT_BYTES],
    pub(super) attribute_block: u64,
    pub(super) modified: Time,
    /// Changed and made.
    pub(super) made: Time,
    pub(super) attributes: [u8; BODY_BYTES],
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            mode: 0,
            user: 0,
            group: 0,
            links: 0,
            size: 0,
            blocks: 0,
            flags: 0,
            map: [0; ROOT_BYTES],
            attribute_block: 0,
            modified: Time::default(),
            made: Time::default(),
            attributes: [0; BODY_BYTES],
        }
    }
}

impl Fields {
    /// With the seed of this very inode.
    pub(super) fn encode(&self, seed: Seed) -> [u8; INODE_BYTES] {
        let mut inode = [0; INODE_BYTES];
        let (modified, modified_extra) = time::encode(self.modified);
        let (made, made_extra) = time::encode(self.made);
        put(&mut inode, 0x00, self.mode.to_le_bytes());
        put_halves(&mut inode, 0x02, 0x78, self.user);
        put_wide(&mut inode, 0x04, 0x6c, self.size);
        put(&mut inode, 0x08, modified.to_le_bytes());
        put(&mut inode, 0x0c, made.to_le_bytes());
        put(&mut inode, 0x10, modified.to_le_bytes());
        put_halves(&mut inode, 0x18, 0x7a, self.group);
        put(&mut inode, 0x1a, self.links.to_le_bytes());
        put_48(&mut inode, 0x1c, 0x74, self.blocks * SECTORS_PER_BLOCK);
        put(&mut inode, 0x20, self.flags.to_le_bytes());
        put(&mut inode, 0x28, self.map);
        put_48(&mut inode, 0x68, 0x76, self.attribute_block);
        put(&mut inode, 0x80, EXTRA_BYTES.to_le_bytes());
        put(&mut inode, 0x84, made_extra.to_le_bytes());
        put(&mut inode, 0x88, modified_extra.to_le_bytes());
        put(&mut inode, 0x8c, modified_extra.to_le_bytes());
        put(&mut inode, 0x90, made.to_le_bytes());
        put(&mut inode, 0x94, made_extra.to_le_bytes());
        put(&mut inode, INODE_BYTES - BODY_BYTES, self.attributes);
        let sum = seed.sum(&inode);
        put_halves(&mut inode, 0x7c, 0x82, sum);
        inode
    }
}
