//! What a layer says of one path.

use kiln_archive::{Kind, Member, MemberPath};

use crate::{
    store::{Piece, StoreId},
    tree::{Content, Metadata, Time},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub path: MemberPath,
    pub kind: EntryKind,
    /// Of a hard link, what the file has that it links to counts.
    pub metadata: Metadata,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    File(Content),
    Directory,
    Symlink(Box<[u8]>),
    HardLink(MemberPath),
    CharacterDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
    Fifo,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEntry {
    #[error("{path}: its owner is {user}:{group}, and a system's go to 4294967294")]
    Owner { path: String, user: i64, group: i64 },
    #[error("{path}: it is a device, and its numbers cannot be read")]
    Device { path: String },
    #[error("{path}: its extended attribute {name} is of no kind that Linux has")]
    Attribute { path: String, name: String },
    #[error("{path}: the target of the link is longer than 4095 bytes, or has a zero byte")]
    Target { path: String },
}

/// The kinds of names that Linux keeps for a file.
const NAMESPACES: [&[u8]; 4] = [b"user.", b"trusted.", b"security.", b"system."];
const TARGET: usize = 4095;

impl Entry {
    /// Of a member whose bytes begin at `offset` of a store.
    pub(super) fn of(member: Member, store: StoreId, offset: u64) -> Result<Self, InvalidEntry> {
        let Member { path, kind, size, mode, user, group, modified, attributes } = member;
        let shown = || path.shown();
        let whole = Piece { at: 0, length: size, store, offset };
        let device = |major: Option<u32>, minor: Option<u32>| {
            major.zip(minor).ok_or_else(|| InvalidEntry::Device { path: shown() })
        };
        let kind = match kind {
            Kind::File if size == 0 => EntryKind::File(Content::default()),
            Kind::File => EntryKind::File(Content { size, pieces: vec![whole] }),
            Kind::Sparse { map } => {
                let mut offset = offset;
                let mut pieces = Vec::new();
                for segment in map.segments.iter().filter(|segment| segment.length > 0) {
                    pieces.push(Piece {
                        at: segment.offset,
                        length: segment.length,
                        store,
                        offset,
                    });
                    offset += segment.length;
                }
                EntryKind::File(Content { size, pieces })
            }
            Kind::Directory => EntryKind::Directory,
            Kind::Symlink { target } if target.len() > TARGET || target.contains(&0) => {
                return Err(InvalidEntry::Target { path: shown() });
            }
            Kind::Symlink { target } => EntryKind::Symlink(target.into()),
            Kind::HardLink { target } => EntryKind::HardLink(target),
            Kind::CharacterDevice { major, minor } => {
                let (major, minor) = device(major, minor)?;
                EntryKind::CharacterDevice { major, minor }
            }
            Kind::BlockDevice { major, minor } => {
                let (major, minor) = device(major, minor)?;
                EntryKind::BlockDevice { major, minor }
            }
            Kind::Fifo => EntryKind::Fifo,
        };
        for name in attributes.keys() {
            if !NAMESPACES.iter().any(|space| name.len() > space.len() && name.starts_with(space)) {
                let name = kiln_archive::shown(name);
                return Err(InvalidEntry::Attribute { path: shown(), name });
            }
        }
        // The last one of all is nobody's: it means that an owner is left as it is.
        let number = |number| u32::try_from(number).ok().filter(|&number| number != u32::MAX);
        let owner = number(user).zip(number(group));
        let (user, group) =
            owner.ok_or_else(|| InvalidEntry::Owner { path: shown(), user, group })?;
        let kiln_archive::Time { seconds, nanoseconds } = modified;
        let modified = Time { seconds, nanoseconds };
        // What a link's own mode is, nothing ever asks.
        let mode = if matches!(kind, EntryKind::Symlink(_)) { 0o777 } else { mode & 0o7777 };
        let mode = u16::try_from(mode).unwrap_or_default();
        Ok(Self { kind, metadata: Metadata { mode, user, group, modified, attributes }, path })
    }

    /// What it keeps in memory besides itself.
    pub(super) fn words(&self) -> u64 {
        let target = match &self.kind {
            EntryKind::Symlink(target) => target.len(),
            EntryKind::HardLink(target) => target.bytes().len(),
            _ => 0,
        };
        let attributes = self.metadata.attributes.iter();
        let attributes: usize = attributes.map(|(name, value)| name.len() + value.len()).sum();
        (self.path.bytes().len() + target + attributes) as u64
    }

    pub(super) fn holes(&self) -> u64 {
        match &self.kind {
            EntryKind::File(Content { size, pieces }) => {
                size - pieces.iter().map(|piece| piece.length).sum::<u64>()
            }
            _ => 0,
        }
    }

    pub(super) fn pieces(&self) -> u64 {
        match &self.kind {
            EntryKind::File(content) => content.pieces.len() as u64,
            _ => 0,
        }
    }
}
