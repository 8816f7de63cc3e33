//! An entry put where it belongs.

use std::collections::BTreeMap;

use kiln_archive::MemberPath;

use super::{ApplyError, Entry, EntryKind, Kind, Missing, Node, NodeId, Stack};
use crate::tree::Tree;

impl Stack {
    pub(super) fn entry(&mut self, entry: Entry) -> Result<(), ApplyError> {
        let Entry { path, kind, metadata } = entry;
        if path.is_root() {
            // Only a directory can have this name.
            self.tree.node_mut(Tree::ROOT).metadata = metadata;
            return Ok(());
        }
        let (directory, name) = path.split();
        let missing = Missing::Make(metadata.modified);
        // Made where it was missing.
        let Some(parent) = self.directory(&path, directory, missing)? else { return Ok(()) };
        self.check_depth(&path, parent)?;
        let there = self.tree.child(parent.id, name);
        let kind = match kind {
            EntryKind::Directory => {
                let is_directory =
                    |id: &NodeId| matches!(self.tree.node(*id).kind, Kind::Directory(_));
                if let Some(there) = there.filter(is_directory) {
                    self.tree.node_mut(there).metadata = metadata;
                    self.freshen(parent.id, name);
                    return Ok(());
                }
                Kind::Directory(BTreeMap::new())
            }
            EntryKind::HardLink(target) => return self.link(&path, parent.id, name, &target),
            EntryKind::File(content) => Kind::File(content),
            EntryKind::Symlink(target) => Kind::Symlink(target),
            EntryKind::CharacterDevice { major, minor } => Kind::CharacterDevice { major, minor },
            EntryKind::BlockDevice { major, minor } => Kind::BlockDevice { major, minor },
            EntryKind::Fifo => Kind::Fifo,
        };
        let node = self.tree.add(Node { metadata, kind });
        self.tree.link(parent.id, name.into(), node);
        self.freshen(parent.id, name);
        Ok(())
    }

    /// A link to a link is one more name for the link.
    fn link(
        &mut self,
        path: &MemberPath,
        parent: NodeId,
        name: &[u8],
        target: &MemberPath,
    ) -> Result<(), ApplyError> {
        let layer = self.layer;
        let told = || (path.shown(), target.shown());
        let missing = || {
            let (path, target) = told();
            ApplyError::NoSuchTarget { layer, path, target }
        };
        let (directory, file) = target.split();
        let from = self.directory(path, directory, Missing::Leave)?.ok_or_else(missing)?;
        if (from.id, file) == (parent, name) && self.tree.child(parent, name).is_some() {
            // What is there already needs no second time.
            self.freshen(parent, name);
            return Ok(());
        }
        // What was there goes first, so nothing links to what went with it.
        self.tree.unlink(parent, name);
        let from = self.directory(path, directory, Missing::Leave)?.ok_or_else(missing)?;
        let node = self.tree.child(from.id, file).ok_or_else(missing)?;
        if matches!(self.tree.node(node).kind, Kind::Directory(_)) {
            let (path, target) = told();
            return Err(ApplyError::LinkToDirectory { layer, path, target });
        }
        self.tree.link(parent, name.into(), node);
        self.freshen(parent, name);
        Ok(())
    }
}
