//! Blocks of a directory's names: each ends with a checksum.

use super::{checksum::Seed, field::put, geometry::BLOCK_BYTES, hashed::Hashed};

/// What a block has for names.
pub(super) const ROOM: usize = BLOCK_BYTES - TAIL;

const TAIL: usize = 12;
const HEADER: usize = 8;
/// Of the names `.` and `..`.
pub(super) const DOT: usize = 12;

/// What a name leads to, as the directory itself tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Type {
    File = 1,
    Directory = 2,
    CharacterDevice = 3,
    BlockDevice = 4,
    Fifo = 5,
    Symlink = 7,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Listed<'name> {
    pub(super) name: &'name [u8],
    pub(super) number: u32,
    pub(super) kind: Type,
}

impl Listed<'_> {
    pub(super) fn size(&self) -> usize {
        size(self.name.len())
    }
}

/// What a name takes.
pub(super) fn size(name: usize) -> usize {
    HEADER + name.next_multiple_of(4)
}

/// A directory's blocks: its names stand in one as they come, or in many by their hash.
#[derive(Debug)]
pub(super) enum Layout {
    Flat,
    Hashed(Hashed),
}

impl Layout {
    /// Nothing if there are more names than hashed directories hold.
    pub(super) fn of<'names>(
        names: impl Iterator<Item = &'names [u8]> + Clone,
        hash_seed: &[u8; 16],
    ) -> Option<Self> {
        let all: usize = names.clone().map(|name| size(name.len())).sum();
        if 2 * DOT + all <= ROOM {
            Some(Self::Flat)
        } else {
            Hashed::of(names, hash_seed).map(Self::Hashed)
        }
    }

    pub(super) fn blocks(&self) -> u32 {
        match self {
            Self::Flat => 1,
            Self::Hashed(hashed) => hashed.blocks(),
        }
    }

    pub(super) fn encode(
        &self,
        own: u32,
        parent: u32,
        listed: &[Listed<'_>],
        seed: Seed,
    ) -> Vec<u8> {
        match self {
            Self::Flat => {
                let mut block = vec![0; BLOCK_BYTES];
                let dots = dots(own, parent);
                fill(&mut block, dots.iter().chain(listed), seed);
                block
            }
            Self::Hashed(hashed) => hashed.encode(own, parent, listed, seed),
        }
    }
}

pub(super) fn dots(own: u32, parent: u32) -> [Listed<'static>; 2] {
    [(&b"."[..], own), (b"..", parent)].map(|(name, number)| Listed {
        name,
        number,
        kind: Type::Directory,
    })
}

/// One block: the last name takes all that is left.
pub(super) fn fill<'listed>(
    block: &mut [u8],
    listed: impl Iterator<Item = &'listed Listed<'listed>>,
    seed: Seed,
) {
    let mut at = 0;
    let mut listed = listed.peekable();
    while let Some(entry) = listed.next() {
        let size = if listed.peek().is_some() { entry.size() } else { ROOM - at };
        put_entry(block, at, entry, size);
        at += size;
    }
    put(block, ROOM + 4, [TAIL.to_le_bytes()[0], 0, 0, 0xde]);
    let sum = seed.sum(&block[..ROOM]);
    put(block, ROOM + 8, sum.to_le_bytes());
}

pub(super) fn put_entry(block: &mut [u8], at: usize, entry: &Listed<'_>, size: usize) {
    put(block, at, entry.number.to_le_bytes());
    put(block, at + 4, u16::try_from(size).unwrap_or(u16::MAX).to_le_bytes());
    block[at + 6] = u8::try_from(entry.name.len()).unwrap_or(u8::MAX);
    block[at + 7] = entry.kind as u8;
    block[at + HEADER..][..entry.name.len()].copy_from_slice(entry.name);
}
