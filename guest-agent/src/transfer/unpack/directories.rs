//! The times of directories: set last, as everything that is made in one changes its time.

use rustix::fs::{OFlags, Timestamps, futimens};

use super::super::tree::Tree;

/// What may wait. An archive with more directories than fit gets those times early, and wrong where
/// more is made in them.
const MAX_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Directories {
    /// In the archive's order.
    waiting: Vec<(Box<[u8]>, Timestamps)>,
    bytes: usize,
}

impl Directories {
    pub(super) fn push(&mut self, path: Vec<u8>, times: Timestamps, tree: &Tree) {
        self.bytes += path.len() + size_of::<(Box<[u8]>, Timestamps)>();
        self.waiting.push((path.into(), times));
        if self.bytes > MAX_BYTES {
            self.set(tree);
        }
    }

    /// The last ones first: those below before those above.
    pub(super) fn set(&mut self, tree: &Tree) {
        for (path, times) in self.waiting.drain(..).rev() {
            let directory = tree.open_below(&path, OFlags::RDONLY | OFlags::DIRECTORY);
            // What the archive itself has replaced since has no such time.
            let _ = directory.and_then(|directory| futimens(directory, &times));
        }
        self.bytes = 0;
    }
}
