//! CRC-32C as the file system keeps it: nothing inverted, and carried on from a seed.

/// Where a checksum goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seed(u32);

impl Seed {
    /// Of what has no seed of its own: the superblock.
    pub(super) const NONE: Self = Self(u32::MAX);

    /// Of everything in the file system with this UUID.
    pub(super) fn of(uuid: &[u8; 16]) -> Self {
        Self(Self::NONE.sum(uuid))
    }

    /// Of what belongs to an inode; its generation is always 0 here.
    pub(super) fn inode(self, number: u32) -> Self {
        self.and(&number.to_le_bytes()).and(&[0; 4])
    }

    /// Goes on with more bytes.
    pub(super) fn and(self, bytes: &[u8]) -> Self {
        Self(self.sum(bytes))
    }

    pub(super) fn sum(self, bytes: &[u8]) -> u32 {
        // The crate inverts before and after, as everyone but ext4 does.
        !crc32c::crc32c_append(!self.0, bytes)
    }
}
