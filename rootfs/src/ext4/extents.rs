//! Where a file's blocks are: a short list in its inode, or a tree of blocks with such lists.

use super::{
    checksum::Seed,
    field::{put, put_48},
    geometry::BLOCK_BYTES,
};

pub(super) const ROOT_BYTES: usize = 60;
/// The most blocks that one extent has.
pub(super) const LONGEST: u64 = 1 << 15;

const IN_ROOT: usize = 4;
const IN_BLOCK: usize = (BLOCK_BYTES - HEADER) / ENTRY;
const HEADER: usize = 12;
const ENTRY: usize = 12;
const MAGIC: u16 = 0xf30a;

/// Blocks of a file that stand together on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first one's place in the file, in blocks.
    pub(super) logical: u32,
    pub(super) length: u16,
    pub(super) physical: u64,
}

/// How many blocks the tree over so many extents takes.
pub(super) fn tree_blocks(extents: usize) -> u64 {
    let mut blocks = 0;
    let mut entries = extents;
    while entries > IN_ROOT {
        entries = entries.div_ceil(IN_BLOCK);
        blocks += entries as u64;
    }
    blocks
}

/// The root in the inode, and every block of the tree by its number: as many as `blocks` are given.
pub(super) fn encode(
    extents: &[Extent],
    blocks: &[u64],
    seed: Seed,
) -> ([u8; ROOT_BYTES], Vec<(u64, Vec<u8>)>) {
    let mut level: Vec<(u32, [u8; ENTRY])> =
        extents.iter().map(|extent| (extent.logical, leaf(*extent))).collect();
    let mut depth = 0;
    let mut written = Vec::with_capacity(blocks.len());
    let mut blocks = blocks.iter();
    while level.len() > IN_ROOT {
        let nodes = level.chunks(IN_BLOCK).zip(blocks.by_ref()).map(|(entries, number)| {
            let mut block = vec![0; BLOCK_BYTES];
            fill(&mut block, entries, IN_BLOCK, depth);
            let tail = HEADER + IN_BLOCK * ENTRY;
            let sum = seed.sum(&block[..tail]);
            put(&mut block, tail, sum.to_le_bytes());
            written.push((*number, block));
            let first = entries.first().map_or(0, |(logical, _)| *logical);
            (first, index(first, *number))
        });
        level = nodes.collect();
        depth += 1;
    }
    let mut root = [0; ROOT_BYTES];
    fill(&mut root, &level, IN_ROOT, depth);
    (root, written)
}

fn fill(node: &mut [u8], entries: &[(u32, [u8; ENTRY])], most: usize, depth: u16) {
    let count = |count: usize| u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes();
    put(node, 0, MAGIC.to_le_bytes());
    put(node, 2, count(entries.len()));
    put(node, 4, count(most));
    put(node, 6, depth.to_le_bytes());
    for (entry, (_, bytes)) in node[HEADER..].chunks_exact_mut(ENTRY).zip(entries) {
        entry.copy_from_slice(bytes);
    }
}

fn leaf(extent: Extent) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    put(&mut entry, 0, extent.logical.to_le_bytes());
    put(&mut entry, 4, extent.length.to_le_bytes());
    put_48(&mut entry, 8, 6, extent.physical);
    entry
}

fn index(logical: u32, block: u64) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    put(&mut entry, 0, logical.to_le_bytes());
    put_48(&mut entry, 4, 8, block);
    entry
}
