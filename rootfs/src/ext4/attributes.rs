//! Extended attributes: what fits stands behind the inode's own fields, the rest in a block of its own.

use crate::tree::Metadata;

use super::{access_list, checksum::Seed, field::put, geometry::BLOCK_BYTES};

/// What an inode of 256 bytes has left.
pub(super) const BODY_BYTES: usize = 96;

const MAGIC: [u8; 4] = 0xea02_0000_u32.to_le_bytes();
const BODY_HEADER: usize = 4;
const BLOCK_HEADER: usize = 32;
/// Four zero bytes end the list of entries.
const END: usize = 4;
const ENTRY: usize = 16;

/// Why an attribute cannot be kept.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    #[error(
        "ext4 keeps no attributes of that name (user., trusted., security. and POSIX access lists are kept)"
    )]
    Name,
    #[error("its value is not a POSIX access list")]
    AccessList,
    #[error("it does not fit: all attributes of a file share 4 KiB")]
    Room,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    prefix: u8,
    /// What follows the prefix.
    name: Vec<u8>,
    value: Vec<u8>,
}

/// The attributes of an inode, by where they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    body: Vec<Entry>,
    block: Vec<Entry>,
}

impl Attributes {
    /// What does not work, with the attribute's name.
    pub(super) fn of(metadata: &Metadata) -> Result<Self, (&[u8], AttributeError)> {
        let mut attributes = Self::default();
        let mut in_body = BODY_BYTES - BODY_HEADER - END;
        let mut in_block = BLOCK_BYTES - BLOCK_HEADER - END;
        for (name, value) in &metadata.attributes {
            let entry = Entry::of(name, value).map_err(|error| (&**name, error))?;
            let size = entry.size();
            if let Some(left) = in_body.checked_sub(size) {
                in_body = left;
                attributes.body.push(entry);
            } else if let Some(left) = in_block.checked_sub(size) {
                in_block = left;
                attributes.block.push(entry);
            } else {
                return Err((name, AttributeError::Room));
            }
        }
        // The kernel looks for a name in this order.
        attributes.block.sort_by(|one, other| one.order().cmp(&other.order()));
        Ok(attributes)
    }

    pub(super) fn need_block(&self) -> bool {
        !self.block.is_empty()
    }

    /// The end of an inode.
    pub(super) fn body(&self) -> [u8; BODY_BYTES] {
        let mut body = [0; BODY_BYTES];
        if !self.body.is_empty() {
            put(&mut body, 0, MAGIC);
            fill(&mut body[BODY_HEADER..], 0, &self.body, |_| 0);
        }
        body
    }

    /// The block for the rest, which knows its own number.
    pub(super) fn block(&self, number: u64, seed: Seed) -> Vec<u8> {
        let mut block = vec![0; BLOCK_BYTES];
        put(&mut block, 0, MAGIC);
        put(&mut block, 4, 1_u32.to_le_bytes());
        put(&mut block, 8, 1_u32.to_le_bytes());
        let hash = self
            .block
            .iter()
            .map(Entry::hash)
            .fold(0, |hash: u32, entry| hash.rotate_left(16) ^ entry);
        put(&mut block, 12, hash.to_le_bytes());
        fill(&mut block, BLOCK_HEADER, &self.block, Entry::hash);
        let sum = seed.and(&number.to_le_bytes()).sum(&block);
        put(&mut block, 16, sum.to_le_bytes());
        block
    }
}

impl Entry {
    fn of(name: &[u8], value: &[u8]) -> Result<Self, AttributeError> {
        const PREFIXES: [(u8, &[u8]); 3] = [(1, b"user."), (4, b"trusted."), (6, b"security.")];
        let list = || access_list::encode(value).ok_or(AttributeError::AccessList);
        match name {
            b"system.posix_acl_access" => {
                return Ok(Self { prefix: 2, name: vec![], value: list()? });
            }
            b"system.posix_acl_default" => {
                return Ok(Self { prefix: 3, name: vec![], value: list()? });
            }
            _ => {}
        }
        let found = PREFIXES.into_iter().find_map(|(prefix, start)| {
            let rest = name.strip_prefix(start)?;
            let fits = !rest.is_empty() && name.len() <= 255 && !rest.contains(&0);
            fits.then(|| Self { prefix, name: rest.to_vec(), value: value.to_vec() })
        });
        found.ok_or(AttributeError::Name)
    }

    fn size(&self) -> usize {
        self.entry_size() + self.value.len().next_multiple_of(4)
    }

    fn entry_size(&self) -> usize {
        ENTRY + self.name.len().next_multiple_of(4)
    }

    fn order(&self) -> (u8, usize, &[u8]) {
        (self.prefix, self.name.len(), &self.name)
    }

    fn hash(&self) -> u32 {
        let name =
            self.name.iter().fold(0, |hash: u32, byte| hash.rotate_left(5) ^ u32::from(*byte));
        self.value.chunks(4).fold(name, |hash, bytes| {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            hash.rotate_left(16) ^ u32::from_le_bytes(word)
        })
    }
}

/// Entries from `start` on, and their values from the end on backwards.
fn fill(area: &mut [u8], start: usize, entries: &[Entry], hash: impl Fn(&Entry) -> u32) {
    let mut at = start;
    let mut values = area.len();
    for entry in entries {
        let length = u32::try_from(entry.value.len()).unwrap_or(u32::MAX);
        values -= entry.value.len().next_multiple_of(4);
        area[values..values + entry.value.len()].copy_from_slice(&entry.value);
        // An empty value stands nowhere.
        let offset = if length == 0 { 0 } else { u16::try_from(values).unwrap_or(u16::MAX) };
        area[at] = u8::try_from(entry.name.len()).unwrap_or(u8::MAX);
        area[at + 1] = entry.prefix;
        put(area, at + 2, offset.to_le_bytes());
        put(area, at + 8, length.to_le_bytes());
        put(area, at + 12, hash(entry).to_le_bytes());
        area[at + ENTRY..][..entry.name.len()].copy_from_slice(&entry.name);
        at += entry.entry_size();
    }
}
