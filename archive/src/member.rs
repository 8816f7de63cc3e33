//! One member of an archive.

use std::collections::BTreeMap;

use crate::{Map, MemberPath, Time};

/// Extended attributes by their whole names, `user.` and all.
pub type Attributes = BTreeMap<Box<[u8]>, Box<[u8]>>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub path: MemberPath,
    pub kind: Kind,
    /// With its holes; 0 unless a file.
    pub size: u64,
    /// All twelve bits of it.
    pub mode: u32,
    /// As the archive has it, which may be more than a system has.
    pub user: i64,
    pub group: i64,
    pub modified: Time,
    pub attributes: Attributes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    /// Its bytes are those of the map's segments, one after the other.
    Sparse {
        map: Map,
    },
    Directory,
    Symlink {
        target: Vec<u8>,
    },
    HardLink {
        target: MemberPath,
    },
    /// A number that is not there is one that cannot be read.
    CharacterDevice {
        major: Option<u32>,
        minor: Option<u32>,
    },
    BlockDevice {
        major: Option<u32>,
        minor: Option<u32>,
    },
    Fifo,
}
