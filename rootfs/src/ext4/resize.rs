//! The inode that holds the blocks kept for descriptors, so that a mounted file system can grow: one block
//! of pointers to the blocks kept in the first group, and each of those points to its likes in other groups.

use super::{
    extents::ROOT_BYTES,
    field::{low_32, put},
    geometry::{BLOCK, BLOCK_BYTES, BLOCKS_PER_GROUP, Geometry},
    inode::{FILE, Fields},
};

pub(super) const NUMBER: u32 = 7;

const POINTERS: u64 = BLOCK / 4;
/// Of fifteen pointers in the inode, the one to a block of pointers to blocks of pointers.
const DOUBLE_INDIRECT: usize = 13;

/// The inode, but for its times. `double` is the block of pointers.
pub(super) fn inode(geometry: &Geometry, double: u64) -> Fields {
    let copies = 1 + geometry.copies().count() as u64;
    let mut map = [0; ROOT_BYTES];
    put(&mut map, DOUBLE_INDIRECT * 4, low_32(double));
    Fields {
        mode: FILE | 0o600,
        links: 1,
        size: (12 + POINTERS + POINTERS * POINTERS) * BLOCK,
        blocks: 1 + geometry.reserved_blocks * copies,
        map,
        ..Fields::default()
    }
}

/// Every block of pointers, by its number.
pub(super) fn blocks(geometry: &Geometry, double: u64) -> Vec<(u64, Vec<u8>)> {
    let first = 1 + geometry.descriptor_blocks;
    let copies: Vec<u64> = geometry.copies().collect();
    let mut top = vec![0; BLOCK_BYTES];
    let mut blocks = Vec::new();
    for kept in first..first + geometry.reserved_blocks {
        // The pointer to what would be descriptor block N is the one of that number.
        let slot = usize::try_from((kept - 1) % POINTERS).unwrap_or(usize::MAX);
        put(&mut top, slot * 4, low_32(kept));
        let mut pointers = vec![0; BLOCK_BYTES];
        for (slot, group) in pointers.as_chunks_mut().0.iter_mut().zip(&copies) {
            *slot = low_32(kept + group * BLOCKS_PER_GROUP);
        }
        blocks.push((kept, pointers));
    }
    blocks.push((double, top));
    blocks
}
