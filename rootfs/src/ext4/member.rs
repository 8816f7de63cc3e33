//! One inode of the tree with everything that it has.

use crate::{
    store::Store,
    tree::{Kind, Metadata, NodeId, Tree},
};

use super::{
    allocation::Allocation,
    attributes::{Attributes, BODY_BYTES},
    checksum::Seed,
    device,
    directory::{Layout, Listed, Type},
    extents::{self, ROOT_BYTES},
    fault::Fault,
    field::put,
    file,
    geometry::{BLOCK, INODE_BYTES},
    inode::{self, Fields},
    inventory::{self, Inode, LONGEST_FAST_SYMLINK, LOST_AND_FOUND, LOST_AND_FOUND_NAME},
    output::Output,
    plan::Plan,
};

pub(super) struct Member<'plan> {
    pub(super) plan: &'plan Plan<'plan>,
    pub(super) inode: &'plan Inode,
    pub(super) number: u32,
    pub(super) allocation: Allocation,
}

impl Member<'_> {
    /// Writes its blocks, but for a file's bytes, and returns the inode.
    pub(super) fn write(&self, output: &mut Output<'_>) -> Result<[u8; INODE_BYTES], Fault> {
        let mut fields = Fields {
            links: u16::try_from(self.inode.links).unwrap_or(u16::MAX),
            blocks: self.allocation.blocks(),
            attribute_block: self.allocation.attributes.unwrap_or(0),
            made: self.plan.made(),
            ..Fields::default()
        };
        if let Some(id) = self.inode.node {
            let metadata = &self.plan.tree.node(id).metadata;
            fields.mode = metadata.mode & 0o7777;
            (fields.user, fields.group) = (metadata.user, metadata.group);
            fields.modified = metadata.modified;
            fields.attributes = self.write_attributes(metadata, output)?;
            self.write_node(id, &mut fields, output)?;
        } else {
            fields.mode = 0o700;
            fields.modified = fields.made;
            self.directory(&[], &mut fields, output)?;
        }
        Ok(fields.encode(self.seed()))
    }

    /// Writes a file's bytes, which nothing else has.
    pub(super) fn fill(&self, store: &Store, output: &mut Output<'_>) -> Result<(), Fault> {
        let node = self.inode.node.map(|id| &self.plan.tree.node(id).kind);
        let Some(Kind::File(content)) = node else { return Ok(()) };
        file::write(content, &self.allocation.extents, store, output)
    }

    fn write_node(
        &self,
        id: NodeId,
        fields: &mut Fields,
        output: &mut Output<'_>,
    ) -> Result<(), Fault> {
        match &self.plan.tree.node(id).kind {
            Kind::Directory(_) => self.directory(&listed(self.plan, id), fields, output)?,
            Kind::File(content) => {
                fields.mode |= inode::FILE;
                fields.size = content.size;
                self.map(fields, output)?;
            }
            Kind::Symlink(target) => {
                fields.mode |= inode::SYMLINK;
                fields.size = target.len() as u64;
                if target.len() > LONGEST_FAST_SYMLINK {
                    self.put_data(target, output)?;
                    self.map(fields, output)?;
                } else {
                    fields.map[..target.len()].copy_from_slice(target);
                }
            }
            Kind::CharacterDevice { major, minor } => {
                fields.mode |= inode::CHARACTER_DEVICE;
                put_device(&mut fields.map, *major, *minor);
            }
            Kind::BlockDevice { major, minor } => {
                fields.mode |= inode::BLOCK_DEVICE;
                put_device(&mut fields.map, *major, *minor);
            }
            Kind::Fifo => fields.mode |= inode::FIFO,
        }
        Ok(())
    }

    fn directory(
        &self,
        listed: &[Listed<'_>],
        fields: &mut Fields,
        output: &mut Output<'_>,
    ) -> Result<(), Fault> {
        let names = listed.iter().map(|listed| listed.name);
        // The plan did the same with the same names, and would have failed where this does.
        let layout = Layout::of(names, &self.plan.options.hash_seed).unwrap_or(Layout::Flat);
        let parent = inventory::number(self.inode.parent);
        let bytes = layout.encode(self.number, parent, listed, self.seed());
        fields.mode |= inode::DIRECTORY;
        fields.size = bytes.len() as u64;
        if let Layout::Hashed(_) = layout {
            fields.flags |= inode::HASHED;
        }
        self.put_data(&bytes, output)?;
        self.map(fields, output)
    }

    /// Bytes that are all of the inode's data, from its first block on.
    fn put_data(&self, bytes: &[u8], output: &mut Output<'_>) -> Result<(), Fault> {
        let mut left = bytes;
        for extent in &self.allocation.extents {
            let length = u64::from(extent.length) * BLOCK;
            let length = usize::try_from(length).unwrap_or(usize::MAX).min(left.len());
            let (now, later) = left.split_at(length);
            output.put(extent.physical * BLOCK, now)?;
            left = later;
        }
        Ok(output.zeros((bytes.len() as u64).next_multiple_of(BLOCK) - bytes.len() as u64)?)
    }

    /// Says where the data are.
    fn map(&self, fields: &mut Fields, output: &mut Output<'_>) -> Result<(), Fault> {
        let Allocation { extents, tree, .. } = &self.allocation;
        let (map, blocks) = extents::encode(extents, tree, self.seed());
        for (number, block) in blocks {
            output.put(number * BLOCK, &block)?;
        }
        fields.map = map;
        fields.flags |= inode::EXTENTS;
        Ok(())
    }

    fn write_attributes(
        &self,
        metadata: &Metadata,
        output: &mut Output<'_>,
    ) -> Result<[u8; BODY_BYTES], Fault> {
        // Of those that do not work there is no plan.
        let attributes = Attributes::of(metadata).unwrap_or_default();
        if let Some(number) = self.allocation.attributes {
            let seed = Seed::of(&self.plan.options.uuid);
            output.put(number * BLOCK, &attributes.block(number, seed))?;
        }
        Ok(attributes.body())
    }

    fn seed(&self) -> Seed {
        Seed::of(&self.plan.options.uuid).inode(self.number)
    }
}

fn put_device(map: &mut [u8; ROOT_BYTES], major: u32, minor: u32) {
    let [first, second] = device::encode(major, minor).unwrap_or_default();
    put(map, 0, first.to_le_bytes());
    put(map, 4, second.to_le_bytes());
}

fn listed<'plan>(plan: &'plan Plan<'_>, id: NodeId) -> Vec<Listed<'plan>> {
    let Kind::Directory(children) = &plan.tree.node(id).kind else { return Vec::new() };
    let mut listed: Vec<_> = children
        .iter()
        .map(|(name, child)| Listed {
            name,
            number: plan.inventory.number(*child),
            kind: inventory::type_of(plan.tree, *child),
        })
        .collect();
    if id == Tree::ROOT && !children.contains_key(LOST_AND_FOUND_NAME) {
        listed.push(Listed {
            name: LOST_AND_FOUND_NAME,
            number: LOST_AND_FOUND,
            kind: Type::Directory,
        });
    }
    listed
}
