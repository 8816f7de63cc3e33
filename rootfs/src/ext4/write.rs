//! A plan carried out.

use std::{fs::File, io};

use crate::{store::Store, tree::Time};

use super::{
    blank,
    checksum::Seed,
    contents, descriptor,
    extents::{self, ROOT_BYTES},
    geometry::BLOCK,
    inode::{self, Fields},
    journal,
    output::Output,
    plan::{Own, Plan},
    resize,
    space::Space,
    superblock::{self, Superblock},
};

/// The block map and the size of the journal's inode.
type Journal = ([u8; ROOT_BYTES], u64);

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("cannot read what belongs to {path}")]
    Read {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot write the file system")]
    Write(#[from] io::Error),
    #[error("a file system is written to a regular file or a block device")]
    Kind,
    #[error("the device has {device} bytes, the file system {needed}")]
    Device { device: u64, needed: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// All others are zeros that were left out.
    pub bytes: u64,
}

impl Plan<'_> {
    /// Writes everything: what the file held before is gone. A regular file gets the size of the plan and
    /// stays sparse. Nothing is synced.
    pub fn write(&self, store: &Store, file: &File) -> Result<Written, WriteError> {
        self.write_followed(store, file, |_| ())
    }

    /// The same; while it is written `follow` is told, more than once, how many bytes from the start on
    /// are as they will stay. At the end that is all.
    pub fn write_followed(
        &self,
        store: &Store,
        file: &File,
        follow: impl FnMut(u64),
    ) -> Result<Written, WriteError> {
        blank::make(file, self.usage().size)?;
        let mut space = Space::new(&self.geometry.taken, 0);
        let own = Own::of(&self.geometry, &mut space);
        let mut bytes = contents::write_inodes(self, file, space.at())?;
        let mut output = Output::new(file);
        let journal = self.write_own_inodes(&own, &mut output)?;
        self.write_groups(&mut output, journal)?;
        bytes += output.flush()?;
        bytes += contents::write_files(self, store, file, space, follow)?;
        Ok(Written { bytes })
    }

    /// The inodes of the resize blocks and of the journal, and what they hold. Returns what the superblock
    /// repeats of the journal's.
    fn write_own_inodes(&self, own: &Own, output: &mut Output<'_>) -> io::Result<Option<Journal>> {
        let seed = Seed::of(&self.options.uuid);
        let made = self.made();
        let put_inode = |output: &mut Output<'_>, number, fields: &Fields| {
            let inode = fields.encode(seed.inode(number));
            output.put(self.geometry.inode_place(number), &inode)
        };
        for (number, block) in resize::blocks(&self.geometry, own.resize) {
            output.put(number * BLOCK, &block)?;
        }
        let fields = Fields { modified: made, made, ..resize::inode(&self.geometry, own.resize) };
        put_inode(output, resize::NUMBER, &fields)?;

        let Some(first) = own.journal.extents.first() else { return Ok(None) };
        let blocks = journal::blocks(self.geometry.blocks);
        output.put(first.physical * BLOCK, &journal::superblock(blocks))?;
        let seed = seed.inode(journal::NUMBER);
        let (map, tree) = extents::encode(&own.journal.extents, &own.journal.tree, seed);
        for (number, block) in tree {
            output.put(number * BLOCK, &block)?;
        }
        let size = u64::from(blocks) * BLOCK;
        let fields = Fields {
            mode: inode::FILE | 0o600,
            links: 1,
            size,
            blocks: own.journal.blocks(),
            flags: inode::EXTENTS,
            map,
            modified: made,
            made,
            ..Fields::default()
        };
        put_inode(output, journal::NUMBER, &fields)?;
        Ok(Some((map, size)))
    }

    /// Bitmaps, descriptors and superblocks, with all their copies.
    fn write_groups(&self, output: &mut Output<'_>, journal: Option<Journal>) -> io::Result<()> {
        let geometry = &self.geometry;
        let seed = Seed::of(&self.options.uuid);
        let directories = self.directories();
        let inodes = self.inventory.last();
        let used =
            descriptor::Usage { geometry, blocks: self.end, inodes, directories: &directories };
        let mut descriptors = Vec::new();
        for (index, group) in geometry.groups.iter().enumerate() {
            let described = used.describe(index, seed);
            output.put(group.block_bitmap * BLOCK, &described.block_bitmap)?;
            output.put(group.inode_bitmap * BLOCK, &described.inode_bitmap)?;
            descriptors.extend(described.descriptor);
        }
        let usage = self.usage();
        let superblock = Superblock {
            geometry,
            free_blocks: usage.free / BLOCK,
            free_inodes: usage.free_inodes,
            uuid: self.options.uuid,
            hash_seed: self.options.hash_seed,
            made: self.options.made,
            label: &self.options.label,
            journal,
        };
        output.put(superblock::OFFSET, &superblock.encode(0))?;
        output.put(BLOCK, &descriptors)?;
        for group in geometry.copies() {
            let start = geometry.group(group).start * BLOCK;
            output.put(start, &superblock.encode(group))?;
            output.put(start + BLOCK, &descriptors)?;
        }
        Ok(())
    }

    pub(super) fn made(&self) -> Time {
        Time { seconds: i64::try_from(self.options.made).unwrap_or(i64::MAX), nanoseconds: 0 }
    }
}
