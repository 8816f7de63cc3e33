//! Where a path of the tree leads, with links followed as a system would that has the tree as its root.

use crate::tree::{Kind, NodeId, Tree};

/// As many as Linux follows.
const LINKS: u32 = 40;
/// Of the components of all links on a way: whoever lays out more wants to keep us busy.
const WINDINGS: usize = 256;

#[derive(Clone, Debug)]
pub(super) struct Place<'tree> {
    tree: &'tree Tree,
    /// From the root down. A name that is not in the tree has no node.
    way: Vec<(Vec<u8>, Option<NodeId>)>,
    /// That were followed.
    pub(super) links: u32,
    /// Whether `..` was ever taken at the root, where it leads nowhere here, but elsewhere does.
    pub(super) climbed: bool,
    windings: usize,
    /// Whether the way was not followed to its end because it winds too much.
    pub(super) lost: bool,
}

impl<'tree> Place<'tree> {
    pub(super) fn root(tree: &'tree Tree) -> Self {
        Self { tree, way: Vec::new(), links: 0, climbed: false, windings: 0, lost: false }
    }

    /// None while nothing of the tree is there, and where links lead in circles.
    pub(super) fn node(&self) -> Option<NodeId> {
        match self.way.last() {
            Some((_, node)) => *node,
            None => Some(Tree::ROOT),
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.way.iter().map(|(name, _)| name.as_slice())
    }

    /// Where the path leads from here.
    pub(super) fn at(mut self, path: &[u8]) -> Self {
        // Components that are still to be taken, the next one last.
        let mut waiting: Vec<Vec<u8>> = components(path).collect();
        if path.starts_with(b"/") {
            self.way.clear();
        }
        while let Some(component) = waiting.pop() {
            if component == b".." {
                self.climbed |= self.way.pop().is_none();
                continue;
            }
            let child = self.node().and_then(|here| self.tree.child(here, &component));
            match child.map(|child| (child, &self.tree.node(child).kind)) {
                Some((_, Kind::Symlink(target))) if self.links < LINKS => {
                    self.links += 1;
                    self.windings += components(target).take(WINDINGS + 1).count();
                    if self.windings > WINDINGS {
                        self.lost = true;
                        self.way.push((component, None));
                        return self;
                    }
                    if target.starts_with(b"/") {
                        self.way.clear();
                    }
                    waiting.extend(components(target));
                }
                Some((_, Kind::Symlink(_))) => self.way.push((component, None)),
                _ => self.way.push((component, child)),
            }
        }
        self
    }
}

/// From the last to the first.
fn components(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let components = path.split(|byte| *byte == b'/').rev();
    components.filter(|one| !one.is_empty() && *one != b".").map(<[u8]>::to_vec)
}
