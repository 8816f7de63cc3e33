//! By what a file is known to be unchanged.

use rustix::fs::Stat;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) mode: u32,
    /// Seconds and nanoseconds, of its content and of all that is known of it.
    pub(crate) modified: (i64, u32),
    pub(crate) changed: (i64, u32),
    /// What it takes of the disk.
    pub(crate) blocks: u64,
}

impl Stamp {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            mode: stat.st_mode,
            modified: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
            changed: (stat.st_ctime, nanoseconds(stat.st_ctime_nsec)),
            blocks: u64::try_from(stat.st_blocks).unwrap_or_default(),
        }
    }

    pub(crate) fn identity(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// But for its place on the disk, which changes when what was written is flushed.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let key = |stamp: &Self| Self { blocks: 0, ..stamp.clone() };
        key(self) == key(other)
    }
}

fn nanoseconds<T: TryInto<u32>>(count: T) -> u32 {
    count.try_into().unwrap_or_default()
}
