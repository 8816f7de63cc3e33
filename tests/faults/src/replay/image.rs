//! A directory as it is found.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::names::Tree;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Sorted: a directory stands before what is in it. `None` for a directory.
    pub entries: BTreeMap<PathBuf, Option<Vec<u8>>>,
}

/// Where the records and the directory do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Recorded, and not there.
    Missing(PathBuf),
    /// There, and not recorded.
    Unrecorded(PathBuf),
    /// Another length or other bytes, from this one on.
    Contents(PathBuf, usize),
    /// Written to, and its making was not recorded.
    Unseen(PathBuf),
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(formatter, "{} is not there", path.display()),
            Self::Unrecorded(path) => write!(formatter, "{} was not recorded", path.display()),
            Self::Contents(path, at) => {
                write!(formatter, "{} differs from byte {at} on", path.display())
            }
            Self::Unseen(path) => write!(formatter, "{} was made unseen", path.display()),
        }
    }
}

impl Image {
    pub(super) fn new(names: Tree, contents: &BTreeMap<usize, Vec<u8>>) -> Self {
        let contents = |file: usize| contents.get(&file).cloned().unwrap_or_default();
        Self {
            entries: names.into_iter().map(|(path, entry)| (path, entry.map(contents))).collect(),
        }
    }

    /// Makes it below a directory that is there, and empty.
    pub fn build(&self, directory: &Path) -> anyhow::Result<()> {
        for (path, entry) in &self.entries {
            let path = directory.join(path);
            match entry {
                None => fs::create_dir(&path),
                Some(bytes) => fs::write(&path, bytes),
            }
            .with_context(|| format!("making {}", path.display()))?;
        }
        Ok(())
    }

    pub(super) fn differences(
        &self,
        directory: &Path,
        ignored: &impl Fn(&Path) -> bool,
    ) -> anyhow::Result<Vec<Difference>> {
        let mut found = Vec::new();
        let mut there = BTreeMap::new();
        list(directory, Path::new(""), &mut there)?;
        for (path, entry) in self.entries.iter().filter(|(path, _)| !ignored(path)) {
            match (entry, there.get(path)) {
                (_, None) => found.push(Difference::Missing(path.clone())),
                (Some(recorded), Some(true)) => {
                    let bytes = fs::read(directory.join(path))?;
                    if let Some(at) = first_difference(recorded, &bytes) {
                        found.push(Difference::Contents(path.clone(), at));
                    }
                }
                _ => {}
            }
        }
        let unrecorded =
            there.into_keys().filter(|path| !self.entries.contains_key(path) && !ignored(path));
        found.extend(unrecorded.map(Difference::Unrecorded));
        Ok(found)
    }
}

/// Every name below a directory, and whether it is a regular file; sockets and the like are nothing
/// that a disk would hold.
fn list(root: &Path, below: &Path, found: &mut BTreeMap<PathBuf, bool>) -> anyhow::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let (path, kind) = (below.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            list(root, &path, found)?;
        }
        if kind.is_dir() || kind.is_file() {
            found.insert(path, kind.is_file());
        }
    }
    Ok(())
}

fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    (same < one.len().max(other.len())).then_some(same)
}
