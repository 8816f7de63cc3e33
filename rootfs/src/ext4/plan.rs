//! Where everything will stand: known before a byte is written.

use std::ops::Range;

use crate::tree::Tree;

use super::{
    allocation::Allocation,
    attributes::AttributeError,
    biggest::Biggest,
    directory::Type,
    geometry::{BLOCK, Cramped, Geometry, MOST_BLOCKS},
    inventory::{self, Inventory},
    journal,
    need::Need,
    options::{Free, Options, Size},
    space::Space,
};

const LONGEST_LABEL: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("the label '{0}' has more than 16 bytes, or a zero byte")]
    Label(String),
    #[error("{0} % of free space is more than 95 %: tables of inodes are in the rest")]
    Percent(u8),
    #[error("/lost+found is no directory: e2fsck needs that name for what it finds")]
    LostAndFound,
    #[error("the name of {path} is of {length} bytes and no name that ext4 can keep: at most 255")]
    Name { path: String, length: usize },
    #[error("{path} is a directory that two names lead to")]
    DirectoryTwice { path: String },
    #[error("{path} has {links} names: ext4 gives a file at most 65000")]
    Links { path: String, links: u32 },
    #[error(
        "the symbolic link {path} has a target of {length} bytes: 1 to 4095 without a zero byte"
    )]
    Symlink { path: String, length: usize },
    #[error("{path} is device {major}:{minor}: the largest that Linux knows is 4095:1048575")]
    Device { path: String, major: u32, minor: u32 },
    #[error("attribute {attribute} of {path}")]
    Attribute {
        path: String,
        attribute: String,
        #[source]
        source: AttributeError,
    },
    #[error("{path} has {size} bytes, of which ext4 keeps at most 16 TiB, or pieces out of order")]
    Content { path: String, size: u64 },
    #[error("the directory {path} has {names} names: more than its index can hold")]
    Directory { path: String, names: usize },
    #[error("a file system of {needed} bytes is needed: this format ends at 16 TiB")]
    Beyond { needed: u64 },
    #[error("{needed} bytes are needed, {size} are given; the most is in {biggest}")]
    TooSmall { needed: u64, size: u64, biggest: Biggest },
    #[error("{needed} bytes are needed, {limit} are the limit; the most is in {biggest}")]
    TooLarge { needed: u64, limit: u64, biggest: Biggest },
}

/// What the file system will say of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Of the file it is written to.
    pub size: u64,
    /// Bytes of blocks that something has, the file system's own included.
    pub used: u64,
    pub free: u64,
    pub inodes: u32,
    pub free_inodes: u32,
}

/// It holds on to its tree, which so is the same when it is written.
#[derive(Debug)]
pub struct Plan<'tree> {
    pub(super) tree: &'tree Tree,
    pub(super) options: Options,
    pub(super) inventory: Inventory,
    pub(super) geometry: Geometry,
    /// Every block before this one is used.
    pub(super) end: u64,
    size: u64,
}

impl<'tree> Plan<'tree> {
    pub fn of(tree: &'tree Tree, options: &Options) -> Result<Self, PlanError> {
        if options.label.len() > LONGEST_LABEL || options.label.contains('\0') {
            return Err(PlanError::Label(options.label.clone()));
        }
        let inventory = Inventory::of(tree, &options.hash_seed)?;
        let (geometry, size) = match options.size {
            Size::Fitted(free) => {
                let geometry = fitted(&inventory, free)?;
                let size = geometry.blocks * BLOCK;
                (geometry, size)
            }
            Size::Exact(size) => {
                let geometry = exact(&inventory, size / BLOCK)?;
                let Some(geometry) = geometry else {
                    let needed = fitted(&inventory, Free::Bytes(0))?.blocks * BLOCK;
                    let biggest = Biggest::of(tree, &inventory);
                    return Err(PlanError::TooSmall { needed, size, biggest });
                };
                (geometry, size)
            }
        };
        if let Some(limit) = options.limit.filter(|limit| size > *limit) {
            let biggest = Biggest::of(tree, &inventory);
            return Err(PlanError::TooLarge { needed: size, limit, biggest });
        }
        let end = lay_out(&geometry, &inventory);
        Ok(Self { tree, options: options.clone(), inventory, geometry, end, size })
    }

    pub fn usage(&self) -> Usage {
        let used = used(&self.geometry, self.end);
        let inodes = self.geometry.inodes();
        Usage {
            size: self.size,
            used: used * BLOCK,
            free: (self.geometry.blocks - used) * BLOCK,
            inodes,
            free_inodes: inodes - self.inventory.last(),
        }
    }

    /// How many directories each group has.
    pub(super) fn directories(&self) -> Vec<u32> {
        let mut directories = vec![0; self.geometry.groups.len()];
        for (place, inode) in self.inventory.inodes.iter().enumerate() {
            let is_directory = |id| inventory::type_of(self.tree, id) == Type::Directory;
            if inode.node.is_none_or(is_directory) {
                let group = (inventory::number(place) - 1) / self.geometry.inodes_per_group;
                directories[group as usize] += 1;
            }
        }
        directories
    }
}

/// What the file system has for itself beside its groups: both come before any file.
#[derive(Debug)]
pub(super) struct Own {
    /// The resize inode's block of pointers.
    pub(super) resize: u64,
    pub(super) journal: Allocation,
}

impl Own {
    pub(super) fn of(geometry: &Geometry, space: &mut Space<'_>) -> Self {
        let resize = space.together(1);
        let blocks = journal::blocks(geometry.blocks);
        let need = Need { attributes: false, data: Need::whole(blocks) };
        Self { resize, journal: Allocation::of(&need, space) }
    }
}

/// Gives everything its blocks, and tells before which block all are used then.
fn lay_out(geometry: &Geometry, inventory: &Inventory) -> u64 {
    let mut space = Space::new(&geometry.taken, 0);
    Own::of(geometry, &mut space);
    for inode in &inventory.inodes {
        Allocation::of(&inode.need, &mut space);
    }
    space.at()
}

fn used(geometry: &Geometry, end: u64) -> u64 {
    let behind = geometry.taken.partition_point(|range| range.start < end);
    let length = |range: &Range<u64>| range.end - range.start;
    end + geometry.taken[behind..].iter().map(length).sum::<u64>()
}

/// The smallest file system with that much free space: it grows by what is missing until nothing is.
fn fitted(inventory: &Inventory, free: Free) -> Result<Geometry, PlanError> {
    let with_free = |used: u64| match free {
        Free::Bytes(bytes) => Ok(used.saturating_add(bytes.div_ceil(BLOCK))),
        Free::Percent(percent @ ..=95) => Ok((used * 100).div_ceil(100 - u64::from(percent))),
        Free::Percent(percent) => Err(PlanError::Percent(percent)),
    };
    let inodes = u64::from(inventory.last());
    let stretches = inventory.inodes.iter().flat_map(|inode| &inode.need.data);
    let mut blocks = with_free(stretches.map(|stretch| u64::from(stretch.length)).sum())?.max(1);
    while blocks <= MOST_BLOCKS {
        match Geometry::of(blocks, inodes) {
            Err(Cramped::Needs(least)) => blocks = least.max(blocks + 1),
            Err(Cramped::LastGroup { with, .. }) => blocks = with,
            Ok(geometry) => {
                let needed = with_free(used(&geometry, lay_out(&geometry, inventory)))?;
                if needed <= blocks {
                    return Ok(geometry);
                }
                blocks = needed;
            }
        }
    }
    Err(PlanError::Beyond { needed: blocks.saturating_mul(BLOCK) })
}

/// Nothing if not everything fits.
fn exact(inventory: &Inventory, blocks: u64) -> Result<Option<Geometry>, PlanError> {
    if blocks > MOST_BLOCKS {
        return Err(PlanError::Beyond { needed: blocks.saturating_mul(BLOCK) });
    }
    let inodes = u64::from(inventory.last());
    let geometry = match Geometry::of(blocks, inodes) {
        Err(Cramped::LastGroup { without, .. }) => Geometry::of(without, inodes),
        other => other,
    };
    let fits =
        |geometry: &Geometry| used(geometry, lay_out(geometry, inventory)) <= geometry.blocks;
    Ok(geometry.ok().filter(fits))
}
