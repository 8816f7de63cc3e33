//! When a disk counts as full.

use rustix::fs::StatFs;

/// A writer that asks for more than is left gets "no space" before the last block is gone, and
/// ext4 keeps a few for itself. Nothing that a build does fits into so little anyway.
const SPARE_BYTES: u64 = 1024 * 1024;

/// What a file system had no more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiskFull {
    pub(crate) size_bytes: u64,
    /// Inodes rather than blocks.
    pub(crate) inodes: bool,
}

impl DiskFull {
    pub(super) fn decide(status: &StatFs) -> Option<Self> {
        let block_bytes = u64::try_from(status.f_bsize).unwrap_or(0);
        Self::from_counts(&Counts {
            size_bytes: status.f_blocks.saturating_mul(block_bytes),
            available_bytes: status.f_bavail.saturating_mul(block_bytes),
            inodes: status.f_files,
            free_inodes: status.f_ffree,
        })
    }

    fn from_counts(counts: &Counts) -> Option<Self> {
        // A file system without a fixed number of inodes says 0 of 0.
        let inodes = counts.inodes > 0 && counts.free_inodes == 0;
        // A hundredth at most, so that a tiny disk is not full from the start.
        let spare = SPARE_BYTES.min(counts.size_bytes / 100);
        let blocks = counts.size_bytes > 0 && counts.available_bytes <= spare;
        (inodes || blocks).then_some(Self { size_bytes: counts.size_bytes, inodes })
    }
}

struct Counts {
    size_bytes: u64,
    available_bytes: u64,
    inodes: u64,
    free_inodes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn check(size: u64, available: u64, inodes: (u64, u64), expected: Option<bool>) {
        let counts = Counts {
            size_bytes: size,
            available_bytes: available,
            inodes: inodes.0,
            free_inodes: inodes.1,
        };
        assert_eq!(DiskFull::from_counts(&counts).map(|full| full.inodes), expected);
    }

    #[test]
    fn full_is_out_of_blocks_or_of_inodes() {
        check(10 * GIB, GIB, (1000, 10), None);
        check(10 * GIB, 0, (1000, 10), Some(false));
        check(10 * GIB, 1024 * 1024, (1000, 10), Some(false));
        check(10 * GIB, 1024 * 1024 + 4096, (1000, 10), None);
        check(10 * GIB, GIB, (1000, 0), Some(true));
        check(10 * GIB, GIB, (0, 0), None);
        check(16 * 1024 * 1024, 512 * 1024, (100, 10), None);
        check(16 * 1024 * 1024, 100 * 1024, (100, 10), Some(false));
        check(0, 0, (0, 0), None);
    }
}
