//! Power loss, replayed.
//!
//! What a disk holds after the power went is not what the program last saw. Of a file there is
//! what was written before its last `fsync`, and of the rest any part, torn at sectors; of names
//! there is what was done before the last `fsync` of their directory, and of the rest a part. This
//! is stricter than ext4's ordered mode, where names are journalled in order and an `fsync` of any
//! file takes them along.

mod contents;
mod image;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use self::image::{Difference, Image};
use self::{contents::Contents, names::Names};
use crate::{Operation, Record};

/// A number below its argument, which is never 0.
pub type Roll<'a> = &'a mut dyn FnMut(usize) -> usize;

/// How what was not yet synced may have reached the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Some of it, in the order in which it was done.
    Kept,
    /// Any of it.
    Lost,
}

/// A directory on a disk, record by record.
#[derive(Debug)]
pub struct PowerLoss {
    directory: PathBuf,
    names: Names,
    files: Vec<Contents>,
    /// Which file an inode's number stands for now; numbers are given again.
    inodes: BTreeMap<u64, usize>,
    unseen: BTreeSet<PathBuf>,
}

impl PowerLoss {
    /// Of a directory that was empty when recording began.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            names: Names::default(),
            files: Vec::new(),
            inodes: BTreeMap::new(),
            unseen: BTreeSet::new(),
        }
    }

    /// Goes on by one record.
    pub fn apply(&mut self, record: &Record) {
        let Ok(path) = record.path.strip_prefix(&self.directory).map(Path::to_owned) else {
            return;
        };
        if path.as_os_str().is_empty() && record.operation != Operation::Sync {
            // It is there from the start.
            return;
        }
        match record.operation {
            Operation::Create => {
                let file = self.new_file(record.inode);
                self.names.create(path, file);
            }
            Operation::Write => self.file(record, &path).write(record.offset, &record.data),
            Operation::Truncate => self.file(record, &path).truncate(record.offset),
            Operation::Allocate => self.file(record, &path).allocate(record.offset, &record.data),
            Operation::Sync if self.names.is_directory(&path) => self.names.sync(&path),
            Operation::Sync => self.file(record, &path).sync(),
            Operation::Rename => {
                if let Ok(to) = record.other.strip_prefix(&self.directory) {
                    self.names.rename(path, to.to_owned());
                }
            }
            Operation::Link => {
                if let Some(&file) = self.inodes.get(&record.inode) {
                    self.names.create(path, file);
                }
            }
            Operation::Unlink => self.names.unlink(path),
            Operation::MakeDirectory => self.names.make_directory(path),
            Operation::RemoveDirectory => self.names.remove_directory(path),
            Operation::Mark | Operation::Fault => {}
        }
    }

    /// What may be found if the power goes now.
    pub fn cut(&self, order: Order, roll: Roll<'_>) -> Image {
        let names = self.names.after_power_loss(order, roll);
        // A file of two names is the same under both.
        let mut contents = BTreeMap::new();
        for file in names.values().flatten() {
            contents
                .entry(*file)
                .or_insert_with(|| self.files[*file].after_power_loss(order, roll));
        }
        Image::new(names, &contents)
    }

    /// As the program sees it.
    pub fn as_seen(&self) -> Image {
        let names = self.names.as_seen();
        let contents =
            self.files.iter().map(Contents::as_seen).enumerate().collect::<BTreeMap<_, _>>();
        Image::new(names, &contents)
    }

    /// Where the records do not tell what the directory holds: something was not recorded. Files
    /// that `ignored` names are not looked at.
    pub fn differences(&self, ignored: impl Fn(&Path) -> bool) -> anyhow::Result<Vec<Difference>> {
        let mut found = self.as_seen().differences(&self.directory, &ignored)?;
        found.extend(
            self.unseen.iter().filter(|path| !ignored(path)).cloned().map(Difference::Unseen),
        );
        Ok(found)
    }

    fn new_file(&mut self, inode: u64) -> usize {
        self.files.push(Contents::default());
        self.inodes.insert(inode, self.files.len() - 1);
        self.files.len() - 1
    }

    fn file(&mut self, record: &Record, path: &Path) -> &mut Contents {
        let file = self.inodes.get(&record.inode).copied();
        let file = file.unwrap_or_else(|| {
            // Made by a call that went past us.
            self.unseen.insert(path.to_owned());
            let file = self.new_file(record.inode);
            self.names.create(path.to_owned(), file);
            file
        });
        &mut self.files[file]
    }
}

#[cfg(test)]
mod tests;
