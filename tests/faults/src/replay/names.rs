//! Which names a directory holds, and for what.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{Order, Roll};

/// A file by its number, or a directory.
pub(super) type Entry = Option<usize>;
pub(super) type Tree = BTreeMap<PathBuf, Entry>;

#[derive(Debug, Default)]
pub(super) struct Names {
    /// What nothing can undo any more.
    durable: Tree,
    /// In order; those that were synced stay while an earlier one was not.
    changes: Vec<Change>,
    /// Everything applied.
    seen: Tree,
}

#[derive(Debug)]
struct Change {
    kind: Kind,
    synced: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Insert { path: PathBuf, entry: Entry },
    Remove { path: PathBuf, directory: bool },
    Rename { from: PathBuf, to: PathBuf, entry: Entry },
}

impl Names {
    pub(super) fn create(&mut self, path: PathBuf, file: usize) {
        self.change(Kind::Insert { path, entry: Some(file) });
    }

    pub(super) fn make_directory(&mut self, path: PathBuf) {
        self.change(Kind::Insert { path, entry: None });
    }

    pub(super) fn unlink(&mut self, path: PathBuf) {
        self.change(Kind::Remove { path, directory: false });
    }

    pub(super) fn remove_directory(&mut self, path: PathBuf) {
        self.change(Kind::Remove { path, directory: true });
    }

    pub(super) fn rename(&mut self, from: PathBuf, to: PathBuf) {
        if let Some(&entry) = self.seen.get(&from) {
            self.change(Kind::Rename { from, to, entry });
        }
    }

    /// The directory that is recorded is there from the start, and so is one whose making nobody
    /// saw.
    pub(super) fn is_directory(&self, path: &Path) -> bool {
        !matches!(self.seen.get(path), Some(Some(_)))
            && (path.as_os_str().is_empty() || self.seen.get(path) == Some(&None))
    }

    pub(super) fn sync(&mut self, directory: &Path) {
        for change in &mut self.changes {
            change.synced |= change.kind.parents().any(|parent| parent == directory);
        }
        let durable = self.changes.iter().take_while(|change| change.synced).count();
        for change in self.changes.drain(..durable) {
            change.kind.apply(&mut self.durable);
        }
    }

    pub(super) fn as_seen(&self) -> Tree {
        self.seen.clone()
    }

    pub(super) fn after_power_loss(&self, order: Order, roll: Roll<'_>) -> Tree {
        let mut tree = self.durable.clone();
        let last_synced = self.changes.iter().rposition(|change| change.synced);
        let at_least = last_synced.map_or(0, |position| position + 1);
        let kept = at_least + roll(self.changes.len() - at_least + 1);
        for (position, change) in self.changes.iter().enumerate() {
            let stays = match order {
                Order::Kept => position < kept,
                Order::Lost => change.synced || roll(2) == 0,
            };
            if stays {
                change.kind.apply(&mut tree);
            }
        }
        tree
    }

    fn change(&mut self, kind: Kind) {
        kind.apply(&mut self.seen);
        self.changes.push(Change { kind, synced: false });
    }
}

impl Kind {
    /// Nothing where what it builds on is not there.
    fn apply(&self, tree: &mut Tree) {
        match self {
            Self::Insert { path, entry } => {
                if has_parent(tree, path) && tree.get(path) != Some(&None) {
                    tree.insert(path.clone(), *entry);
                }
            }
            Self::Remove { path, directory } => {
                let is_one = tree.get(path).is_some_and(|entry| entry.is_none() == *directory);
                let is_empty = !tree.keys().any(|name| name.parent() == Some(path.as_path()));
                if is_one && is_empty {
                    tree.remove(path);
                }
            }
            // The new name of a file is a name like others: the old one may never have been synced.
            Self::Rename { from, to, entry: file @ Some(_) } => {
                if has_parent(tree, to) && tree.get(to) != Some(&None) {
                    if tree.get(from) == Some(file) {
                        tree.remove(from);
                    }
                    tree.insert(to.clone(), *file);
                }
            }
            Self::Rename { from, to, entry } => {
                if tree.get(from) != Some(entry) || !has_parent(tree, to) {
                    return;
                }
                let below: Vec<_> =
                    tree.keys().filter(|name| name.starts_with(from)).cloned().collect();
                for name in below {
                    let rest = name.strip_prefix(from).unwrap_or(&name);
                    let new = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                    if let Some(entry) = tree.remove(&name) {
                        tree.insert(new, entry);
                    }
                }
            }
        }
    }

    fn parents(&self) -> impl Iterator<Item = &Path> {
        let (one, other) = match self {
            Self::Insert { path, .. } | Self::Remove { path, .. } => (path, None),
            Self::Rename { from, to, .. } => (from, Some(to)),
        };
        [Some(one), other].into_iter().flatten().filter_map(|path| path.parent())
    }
}

fn has_parent(tree: &Tree, path: &Path) -> bool {
    let parent = path.parent().unwrap_or(Path::new(""));
    parent.as_os_str().is_empty() || tree.get(parent) == Some(&None)
}
