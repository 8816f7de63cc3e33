//! The journal: empty, and as large as is usual for the size of the file system.

use super::{field::put, geometry::BLOCK_BYTES};

pub(super) const NUMBER: u32 = 8;

const MAGIC: u32 = 0xc03b_3998;
const SUPERBLOCK: u32 = 4;

/// So many blocks; none in what is too small for it.
pub(super) fn blocks(file_system: u64) -> u32 {
    match file_system {
        ..2_048 => 0,
        2_048..32_768 => 1_024,
        32_768..262_144 => 4_096,
        262_144..524_288 => 8_192,
        524_288..4_194_304 => 16_384,
        4_194_304..8_388_608 => 32_768,
        8_388_608..16_777_216 => 65_536,
        16_777_216..33_554_432 => 131_072,
        _ => 262_144,
    }
}

/// Its first block; the others are zeros. Unlike all else on the disk its numbers are big-endian.
pub(super) fn superblock(blocks: u32) -> Vec<u8> {
    let mut block = vec![0; BLOCK_BYTES];
    let size = u32::try_from(BLOCK_BYTES).unwrap_or(u32::MAX);
    // Size of a block, of the journal, the first block of its log, and the first transaction to come.
    let fields = [(0, MAGIC), (4, SUPERBLOCK), (12, size), (16, blocks), (20, 1), (24, 1), (64, 1)];
    for (at, value) in fields {
        put(&mut block, at, value.to_be_bytes());
    }
    block
}
