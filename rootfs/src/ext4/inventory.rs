//! Every inode that the file system will have, in the order of their numbers.

use std::collections::HashMap;

use crate::tree::{Kind, NodeId, Tree};

use super::{
    attributes::Attributes,
    directory::{Layout, Type},
    need::{self, Need},
    path,
    plan::PlanError,
};

pub(super) const ROOT: u32 = 2;
pub(super) const LOST_AND_FOUND: u32 = 11;
pub(super) const LOST_AND_FOUND_NAME: &[u8] = b"lost+found";

const MOST_LINKS: u32 = 65_000;
const LONGEST_NAME: usize = 255;
const LONGEST_SYMLINK: usize = 4095;
/// A longer one takes a block.
pub(super) const LONGEST_FAST_SYMLINK: usize = 59;

#[derive(Debug)]
pub(super) struct Inode {
    /// The directory for what is found has none where the tree does not have one.
    pub(super) node: Option<NodeId>,
    /// The directory of its first name, by its place in the inventory.
    pub(super) parent: usize,
    pub(super) links: u32,
    pub(super) need: Need,
}

/// The root, `lost+found`, and then the tree in the order of its paths.
#[derive(Debug)]
pub(super) struct Inventory {
    pub(super) inodes: Vec<Inode>,
    places: HashMap<NodeId, usize>,
}

impl Inventory {
    pub(super) fn of(tree: &Tree, hash_seed: &[u8; 16]) -> Result<Self, PlanError> {
        let root = Inode { node: Some(Tree::ROOT), parent: 0, links: 2, need: Need::default() };
        let lost_and_found = tree.child(Tree::ROOT, LOST_AND_FOUND_NAME);
        if lost_and_found.is_some_and(|id| !is_directory(tree, id)) {
            return Err(PlanError::LostAndFound);
        }
        let spare = Inode { node: lost_and_found, parent: 0, links: 2, need: Need::default() };
        let mut inventory =
            Self { inodes: vec![root, spare], places: HashMap::from([(Tree::ROOT, 0)]) };
        inventory.collect(tree)?;
        if lost_and_found.is_none() {
            inventory.inodes[0].links += 1;
        }
        for inode in &mut inventory.inodes {
            inode.need = match inode.node {
                Some(id) => need_of(tree, id, lost_and_found.is_none(), hash_seed)?,
                None => Need { attributes: false, data: Need::whole(1) },
            };
            let is_directory = inode.node.is_none_or(|id| is_directory(tree, id));
            if inode.links > MOST_LINKS {
                // Of directories it is said by 1 that they are not counted any more.
                let file = inode.node.filter(|_| !is_directory);
                if let Some(id) = file {
                    let path = path::of(tree, id);
                    return Err(PlanError::Links { path, links: inode.links });
                }
                inode.links = 1;
            }
        }
        Ok(inventory)
    }

    fn collect(&mut self, tree: &Tree) -> Result<(), PlanError> {
        let mut waiting = vec![(0, names_of(tree, Tree::ROOT))];
        while let Some((parent, names)) = waiting.last_mut() {
            let Some((name, id)) = names.next() else {
                waiting.pop();
                continue;
            };
            let parent = *parent;
            check_name(tree, id, name)?;
            let is_directory = is_directory(tree, id);
            if let Some(place) = self.places.get(&id) {
                if is_directory {
                    return Err(PlanError::DirectoryTwice { path: path::of(tree, id) });
                }
                self.inodes[*place].links += 1;
                continue;
            }
            let place = if parent == 0 && name == LOST_AND_FOUND_NAME {
                1
            } else {
                let links = if is_directory { 2 } else { 1 };
                self.inodes.push(Inode { node: Some(id), parent, links, need: Need::default() });
                self.inodes.len() - 1
            };
            self.places.insert(id, place);
            if is_directory {
                self.inodes[parent].links += 1;
                waiting.push((place, names_of(tree, id)));
            }
        }
        Ok(())
    }

    /// The inode that a node became.
    pub(super) fn number(&self, id: NodeId) -> u32 {
        number(self.places.get(&id).copied().unwrap_or(0))
    }

    /// The highest number of an inode that is used.
    pub(super) fn last(&self) -> u32 {
        number(self.inodes.len() - 1)
    }
}

/// The number of the inode in some place of the inventory.
pub(super) fn number(place: usize) -> u32 {
    let after = u32::try_from(place).unwrap_or(u32::MAX - LOST_AND_FOUND);
    if place == 0 { ROOT } else { LOST_AND_FOUND - 1 + after }
}

pub(super) fn type_of(tree: &Tree, id: NodeId) -> Type {
    match tree.node(id).kind {
        Kind::Directory(_) => Type::Directory,
        Kind::File(_) => Type::File,
        Kind::Symlink(_) => Type::Symlink,
        Kind::CharacterDevice { .. } => Type::CharacterDevice,
        Kind::BlockDevice { .. } => Type::BlockDevice,
        Kind::Fifo => Type::Fifo,
    }
}

fn is_directory(tree: &Tree, id: NodeId) -> bool {
    matches!(tree.node(id).kind, Kind::Directory(_))
}

fn names_of(tree: &Tree, id: NodeId) -> impl Iterator<Item = (&[u8], NodeId)> {
    let children = match &tree.node(id).kind {
        Kind::Directory(children) => Some(children),
        _ => None,
    };
    children.into_iter().flatten().map(|(name, id)| (&**name, *id))
}

fn check_name(tree: &Tree, id: NodeId, name: &[u8]) -> Result<(), PlanError> {
    let special = matches!(name, b"" | b"." | b"..");
    if special || name.len() > LONGEST_NAME || name.contains(&b'/') || name.contains(&0) {
        return Err(PlanError::Name { path: path::of(tree, id), length: name.len() });
    }
    Ok(())
}

fn need_of(
    tree: &Tree,
    id: NodeId,
    add_lost_and_found: bool,
    hash_seed: &[u8; 16],
) -> Result<Need, PlanError> {
    let node = tree.node(id);
    let attributes = Attributes::of(&node.metadata)
        .map_err(|(name, source)| PlanError::Attribute {
            path: path::of(tree, id),
            attribute: String::from_utf8_lossy(name).into_owned(),
            source,
        })?
        .need_block();
    let data = match &node.kind {
        Kind::Directory(children) => {
            let spare = (id == Tree::ROOT && add_lost_and_found).then_some(LOST_AND_FOUND_NAME);
            let names = children.keys().map(|name| &**name).chain(spare);
            let layout = Layout::of(names, hash_seed).ok_or_else(|| PlanError::Directory {
                path: path::of(tree, id),
                names: children.len(),
            })?;
            Need::whole(layout.blocks())
        }
        Kind::File(content) => need::of_content(content)
            .ok_or_else(|| PlanError::Content { path: path::of(tree, id), size: content.size })?,
        Kind::Symlink(target) => {
            if target.is_empty() || target.len() > LONGEST_SYMLINK || target.contains(&0) {
                let path = path::of(tree, id);
                return Err(PlanError::Symlink { path, length: target.len() });
            }
            if target.len() > LONGEST_FAST_SYMLINK { Need::whole(1) } else { Box::default() }
        }
        Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            if super::device::encode(*major, *minor).is_none() {
                let path = path::of(tree, id);
                return Err(PlanError::Device { path, major: *major, minor: *minor });
            }
            Box::default()
        }
        Kind::Fifo => Box::default(),
    };
    Ok(Need { attributes, data })
}
