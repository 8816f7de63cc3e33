//! The names in a directory, sorted, without all of them in memory.

use std::{collections::BinaryHeap, ffi::CStr, os::fd::BorrowedFd};

use rustix::{fs::Dir, io::Errno};

/// A larger directory is read again for each further batch.
const BATCH: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct Names {
    /// The next one last.
    batch: Vec<Box<CStr>>,
    /// All before it, itself included, were handed out or are in the batch.
    last: Option<Box<CStr>>,
    is_complete: bool,
}

impl Names {
    /// The next name of the directory, which `open` opens for reading.
    pub(super) fn next<D: std::os::fd::AsFd>(
        &mut self,
        open: impl FnOnce() -> Result<D, Errno>,
    ) -> Result<Option<Box<CStr>>, Errno> {
        if self.batch.is_empty() && !self.is_complete {
            self.refill(open()?.as_fd(), BATCH)?;
        }
        Ok(self.batch.pop())
    }

    fn refill(&mut self, directory: BorrowedFd<'_>, batch: usize) -> Result<(), Errno> {
        // The smallest names after the last one: the largest of them stands on top.
        let mut smallest: BinaryHeap<Box<CStr>> = BinaryHeap::new();
        self.is_complete = true;
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let was_handed_out = self.last.as_deref().is_some_and(|last| name <= last);
            if name == c"." || name == c".." || was_handed_out {
                continue;
            }
            if smallest.len() == batch {
                self.is_complete = false;
                if smallest.peek().is_some_and(|largest| name >= &**largest) {
                    continue;
                }
                smallest.pop();
            }
            smallest.push(name.into());
        }
        self.batch = smallest.into_sorted_vec();
        self.last = self.batch.last().cloned().or(self.last.take());
        self.batch.reverse();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::fd::AsFd};

    use super::*;

    #[test]
    fn batches_of_any_size_give_the_same_order() {
        let directory = tempfile::tempdir().unwrap();
        let mut expected: Vec<String> = (0..50).map(|number| format!("n{}", number * 7)).collect();
        for name in &expected {
            fs::write(directory.path().join(name), "").unwrap();
        }
        expected.sort();
        for batch in [1, 2, 7, 49, 50, 51, BATCH] {
            let mut names = Names::default();
            let mut found = Vec::new();
            while !names.is_complete {
                names.refill(fs::File::open(directory.path()).unwrap().as_fd(), batch).unwrap();
                while let Some(name) = names.batch.pop() {
                    found.push(name.to_str().unwrap().to_owned());
                }
            }
            assert_eq!(found, expected, "{batch}");
        }
    }
}
