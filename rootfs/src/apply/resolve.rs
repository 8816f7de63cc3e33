//! Where a path leads, in a root that nothing leads out of.

use std::collections::{BTreeMap, VecDeque};

use kiln_archive::{MemberPath, shown};

use super::{ApplyError, Kind, Metadata, Name, Node, NodeId, Stack};
use crate::tree::{Time, Tree};

/// More than the kernel follows, and as many as other tools do.
const LINKS: usize = 255;

/// What becomes of directories on the way that are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The path leads nowhere then.
    Leave,
    /// They are made, with this time.
    Make(Time),
}

/// A directory, and how deep it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) id: NodeId,
    pub(super) depth: usize,
}

impl Stack {
    /// The directory that `directory` leads to; `path` is whose it is.
    pub(super) fn directory(
        &mut self,
        path: &MemberPath,
        directory: &[u8],
        missing: Missing,
    ) -> Result<Option<Found>, ApplyError> {
        // From the root on, without links.
        let mut way = vec![Tree::ROOT];
        let mut waiting: VecDeque<Name> = parts(directory).map(Name::from).collect();
        let mut links = 0;
        while let Some(part) = waiting.pop_front() {
            let here = way.last().copied().unwrap_or(Tree::ROOT);
            if *part == *b".." {
                // Above the root is the root.
                way.truncate((way.len() - 1).max(1));
                continue;
            }
            let Some(next) = self.tree.child(here, &part) else {
                let Missing::Make(time) = missing else { return Ok(None) };
                way.push(self.make(path, Found { id: here, depth: way.len() - 1 }, &part, time)?);
                continue;
            };
            match &self.tree.node(next).kind {
                Kind::Directory(_) => {
                    if missing != Missing::Leave {
                        self.freshen(here, &part);
                    }
                    way.push(next);
                }
                Kind::Symlink(target) => {
                    links += 1;
                    if links > LINKS {
                        return Err(ApplyError::Loop { layer: self.layer, path: path.shown() });
                    }
                    let Some(left) = self.windings.checked_sub(target.len() as u64) else {
                        let (layer, path) = (self.layer, path.shown());
                        return Err(ApplyError::Winding { layer, path });
                    };
                    self.windings = left;
                    if target.starts_with(b"/") {
                        way.truncate(1);
                    }
                    for part in parts(target).rev() {
                        waiting.push_front(part.into());
                    }
                }
                _ if missing == Missing::Leave => return Ok(None),
                _ => {
                    let (path, at) = (path.shown(), shown(&part));
                    return Err(ApplyError::InTheWay { layer: self.layer, path, at });
                }
            }
        }
        let id = way.last().copied().unwrap_or(Tree::ROOT);
        Ok(Some(Found { id, depth: way.len() - 1 }))
    }

    fn make(
        &mut self,
        path: &MemberPath,
        parent: Found,
        name: &[u8],
        modified: Time,
    ) -> Result<NodeId, ApplyError> {
        self.check_depth(path, parent)?;
        let metadata = Metadata { mode: 0o755, modified, ..Metadata::default() };
        let node = self.tree.add(Node { metadata, kind: Kind::Directory(BTreeMap::new()) });
        self.tree.link(parent.id, name.into(), node);
        self.freshen(parent.id, name);
        Ok(node)
    }

    /// Whether something may stand in a directory: links lead to places that no name is as deep as.
    pub(super) fn check_depth(&self, path: &MemberPath, parent: Found) -> Result<(), ApplyError> {
        if parent.depth >= self.depth {
            let (layer, limit) = (self.layer, self.depth);
            return Err(ApplyError::TooDeep { layer, path: path.shown(), limit });
        }
        Ok(())
    }
}

fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}
