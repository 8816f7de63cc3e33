//! Directories of many blocks: names stand by their hash, and one or two levels of an index lead to them.

use std::ops::Range;

use super::{
    checksum::Seed,
    directory::{self, DOT, Listed, ROOM},
    field::put,
    geometry::BLOCK_BYTES,
    hash,
};

const HALF_MD4: u8 = 1;
const ENTRY: usize = 8;
const TAIL: usize = 8;
/// Where entries begin: behind the names `.` and `..` and what is said of the index, or behind an empty name.
const IN_ROOT: usize = 2 * DOT + 8;
const IN_NODE: usize = 8;
const MOST_IN_ROOT: usize = (BLOCK_BYTES - IN_ROOT - TAIL) / ENTRY;
const MOST_IN_NODE: usize = (BLOCK_BYTES - IN_NODE - TAIL) / ENTRY;

/// A block of names, and the hash from which on they stand in it.
#[derive(Debug)]
struct Leaf {
    hash: u32,
    /// Of the order.
    names: Range<usize>,
}

#[derive(Debug)]
pub(super) struct Hashed {
    /// Which of the directory's names comes first, and so on.
    order: Vec<u32>,
    leaves: Vec<Leaf>,
    /// Blocks between the root and the leaves.
    nodes: usize,
}

impl Hashed {
    pub(super) fn of<'names>(
        names: impl Iterator<Item = &'names [u8]>,
        hash_seed: &[u8; 16],
    ) -> Option<Self> {
        let mut hashes: Vec<_> = (0..)
            .zip(names)
            .map(|(index, name)| (hash::of(name, hash_seed), index, name.len()))
            .collect();
        hashes.sort_unstable();
        let mut leaves: Vec<Leaf> = Vec::new();
        let mut room = 0;
        let mut before = None;
        for (position, (hash, _, length)) in hashes.iter().enumerate() {
            let size = directory::size(*length);
            match leaves.last_mut().filter(|_| size <= room) {
                Some(leaf) => leaf.names.end = position + 1,
                None => {
                    // The lowest bit says that the block before ends with the same hash.
                    let goes_on = u32::from(before == Some(hash.major));
                    let hash = hash.major | goes_on;
                    leaves.push(Leaf { hash, names: position..position + 1 });
                    room = ROOM;
                }
            }
            room -= size;
            before = Some(hash.major);
        }
        let flat = leaves.len() <= MOST_IN_ROOT;
        let nodes = if flat { 0 } else { leaves.len().div_ceil(MOST_IN_NODE) };
        let order = hashes.into_iter().map(|(_, index, _)| index).collect();
        (nodes <= MOST_IN_ROOT).then_some(Self { order, leaves, nodes })
    }

    /// Whether names with the same hash had to be put into two blocks.
    #[cfg(test)]
    pub(super) fn parts_equal_hashes(&self) -> bool {
        self.leaves.iter().any(|leaf| leaf.hash & 1 == 1)
    }

    pub(super) fn blocks(&self) -> u32 {
        u32::try_from(1 + self.nodes + self.leaves.len()).unwrap_or(u32::MAX)
    }

    /// The root, the nodes, and the leaves.
    pub(super) fn encode(
        &self,
        own: u32,
        parent: u32,
        listed: &[Listed<'_>],
        seed: Seed,
    ) -> Vec<u8> {
        let mut blocks = vec![0; (1 + self.nodes + self.leaves.len()) * BLOCK_BYTES];
        let (index, leaves) = blocks.split_at_mut((1 + self.nodes) * BLOCK_BYTES);
        for (block, leaf) in leaves.chunks_exact_mut(BLOCK_BYTES).zip(&self.leaves) {
            let names = self.order[leaf.names.clone()].iter().map(|name| &listed[*name as usize]);
            directory::fill(block, names, seed);
        }
        let (root, nodes) = index.split_at_mut(BLOCK_BYTES);
        for (at, dot) in [0, DOT].into_iter().zip(directory::dots(own, parent)) {
            let size = if at == 0 { DOT } else { BLOCK_BYTES - DOT };
            directory::put_entry(root, at, &dot, size);
        }
        let levels = u8::from(self.nodes > 0);
        put(root, 2 * DOT + 4, [HALF_MD4, 8, levels, 0]);
        let first_leaf = 1 + self.nodes;
        let leaves: Vec<_> = self.leaves.iter().map(|leaf| leaf.hash).zip(first_leaf..).collect();
        if self.nodes == 0 {
            fill(root, IN_ROOT, &leaves, seed);
            return blocks;
        }
        let mut below = Vec::with_capacity(self.nodes);
        let groups = leaves.chunks(MOST_IN_NODE);
        for ((number, block), entries) in (1..).zip(nodes.chunks_exact_mut(BLOCK_BYTES)).zip(groups)
        {
            put(block, 4, u16::try_from(BLOCK_BYTES).unwrap_or(u16::MAX).to_le_bytes());
            fill(block, IN_NODE, entries, seed);
            below.push((entries.first().map_or(0, |(hash, _)| *hash), number));
        }
        fill(root, IN_ROOT, &below, seed);
        blocks
    }
}

/// A list of hashes and blocks; in the place of the first one's hash stands how many there are and may be.
fn fill(block: &mut [u8], start: usize, entries: &[(u32, usize)], seed: Seed) {
    let most = (BLOCK_BYTES - start - TAIL) / ENTRY;
    for (slot, (hash, number)) in block[start..].chunks_exact_mut(ENTRY).zip(entries) {
        put(slot, 0, hash.to_le_bytes());
        put(slot, 4, u32::try_from(*number).unwrap_or(u32::MAX).to_le_bytes());
    }
    put(block, start, u16::try_from(most).unwrap_or(u16::MAX).to_le_bytes());
    put(block, start + 2, u16::try_from(entries.len()).unwrap_or(u16::MAX).to_le_bytes());
    // Of the checksum's own field, what it keeps for later and zeros in its own place count.
    let sum = seed.and(&block[..start + entries.len() * ENTRY]).sum(&[0; TAIL]);
    put(block, start + most * ENTRY + 4, sum.to_le_bytes());
}
