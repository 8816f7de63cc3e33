//! Layers put on top of each other: what is left of them is one tree.
//!
//! | an entry | what it does |
//! |---|---|
//! | directory | is made, or takes the place of what was no directory; of one that is there only what is said of it changes |
//! | anything else | takes the place of what was there, all below it included |
//! | hard link | one more name for a file of this layer or a lower one; what is said of the link itself is nothing |
//! | `.wh.NAME` | takes NAME away as lower layers left it |
//! | `.wh..wh..opq` | takes away all that lower layers left in its directory |
//! | other names `.wh..wh.*` | nothing: an old union file system's own notes |
//!
//! Directories on the way that are missing are made. A link on the way is followed, as a process whose root
//! this is would follow it, so no path ever leads out.

mod place;
mod resolve;
mod whiteout;

use std::collections::HashSet;

use kiln_archive::MemberPath;

use self::{resolve::Missing, whiteout::Mark};
use crate::{
    layers::{Entry, EntryKind, Layer, Limits},
    tree::{Kind, Metadata, Name, Node, NodeId, Tree},
};

#[derive(Debug)]
pub struct Applied {
    pub tree: Tree,
    pub notes: Notes,
}

/// What was in the layers and is not in the tree, without anybody having asked for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Whiteouts of what was not there.
    pub idle_whiteouts: u64,
    /// An old union file system's own files.
    pub union_files: u64,
    /// Extended attributes by which overlayfs speaks to itself.
    pub overlay_attributes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    #[error("layer {layer}: {path}: {at} stands in its way, and is no directory")]
    InTheWay { layer: usize, path: String, at: String },
    #[error("layer {layer}: {path}: too many links on the way")]
    Loop { layer: usize, path: String },
    #[error("layer {layer}: {path}: the links on the ways of all layers are too much to follow")]
    Winding { layer: usize, path: String },
    #[error("layer {layer}: {path}: it stands deeper than {limit} directories")]
    TooDeep { layer: usize, path: String, limit: usize },
    #[error("layer {layer}: {path}: it links to {target}, which is not there")]
    NoSuchTarget { layer: usize, path: String, target: String },
    #[error("layer {layer}: {path}: it links to {target}, which is a directory")]
    LinkToDirectory { layer: usize, path: String, target: String },
    #[error("layer {layer}: {path}: a name with `.wh.` is a whiteout's, and this is none")]
    Reserved { layer: usize, path: String },
}

/// From the lowest to the uppermost.
pub fn apply(
    layers: impl IntoIterator<Item = Layer>,
    limits: &Limits,
) -> Result<Applied, ApplyError> {
    let root = Metadata { mode: 0o755, ..Metadata::default() };
    let mut stack = Stack {
        tree: Tree::new(root),
        notes: Notes::default(),
        depth: limits.depth,
        windings: limits.windings,
        layer: 0,
        fresh: None,
        cleared: HashSet::new(),
    };
    for layer in layers {
        stack.put(layer)?;
    }
    Ok(Applied { tree: stack.tree, notes: stack.notes })
}

#[derive(Debug)]
struct Stack {
    tree: Tree,
    notes: Notes,
    /// The deepest that anything may stand, counted without links.
    depth: usize,
    /// How long all targets together may be that are still to be followed.
    windings: u64,
    /// Which one is being put on, from 1.
    layer: usize,
    /// The names that this layer has said something of, where it has whiteouts: those do not apply to them.
    fresh: Option<HashSet<(NodeId, Name)>>,
    /// Directories that have nothing of lower layers any more, as this one took it away.
    cleared: HashSet<NodeId>,
}

impl Stack {
    fn put(&mut self, layer: Layer) -> Result<(), ApplyError> {
        self.layer += 1;
        let has_whiteouts = layer.entries.iter().any(|entry| whiteout::is_reserved(&entry.path));
        self.fresh = has_whiteouts.then(HashSet::new);
        self.cleared.clear();
        for mut entry in layer.entries {
            entry.metadata.attributes.retain(|name, _| {
                let is_content = !is_overlay(name);
                self.notes.overlay_attributes += u64::from(!is_content);
                is_content
            });
            match whiteout::mark(&entry.path) {
                None => self.entry(entry)?,
                Some(mark) => self.mark(&entry, mark)?,
            }
        }
        Ok(())
    }

    fn mark(&mut self, entry: &Entry, mark: Mark) -> Result<(), ApplyError> {
        let Entry { path, kind, metadata: _ } = entry;
        match mark {
            Mark::Union => self.notes.union_files += 1,
            Mark::Wrong => return Err(self.reserved(path)),
            // Written by no tool as anything but a file.
            _ if !matches!(kind, EntryKind::File(_)) => return Err(self.reserved(path)),
            Mark::Name(name) => {
                let parent = self.directory(path, path.split().0, Missing::Leave)?;
                let was_there = parent.is_some_and(|parent| self.hide(parent.id, &name));
                self.notes.idle_whiteouts += u64::from(!was_there);
            }
            Mark::Opaque => {
                if let Some(parent) = self.directory(path, path.split().0, Missing::Leave)? {
                    self.hide_all(parent.id);
                }
            }
        }
        Ok(())
    }

    fn reserved(&self, path: &MemberPath) -> ApplyError {
        ApplyError::Reserved { layer: self.layer, path: path.shown() }
    }
}

/// A process whose root is this one must not take them for its own overlayfs'.
fn is_overlay(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}
