//! What can be chosen of a file system.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub uuid: [u8; 16],
    /// What the order in hashed directories depends on.
    pub hash_seed: [u8; 16],
    /// Seconds since 1970: when the file system, its own inodes and every inode's change time were made.
    pub made: u64,
    /// At most 16 bytes.
    pub label: String,
    pub size: Size,
    /// Refuse to plan more bytes than these.
    pub limit: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As small as everything and this much free space can be.
    Fitted(Free),
    /// In bytes. Blocks at the end that make no group of use stay out of the file system.
    Exact(u64),
}

/// Space that no file takes; never less than asked, and more only where a group's own blocks force it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    Bytes(u64),
    /// Of the whole file system, at most 95: its own tables are in the rest.
    Percent(u8),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            uuid: [0; 16],
            hash_seed: [0; 16],
            made: 0,
            label: String::new(),
            size: Size::Fitted(Free::Bytes(0)),
            limit: None,
        }
    }
}
