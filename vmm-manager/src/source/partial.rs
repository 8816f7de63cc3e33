//! The directory in which a source is made, and to which it goes back when it is forgotten.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use crate::job::SourceId;

/// No source's id begins like this.
const PREFIX: &str = "partial-";

/// Goes with all that is in it when dropped, unless it was kept.
#[derive(Debug)]
pub(super) struct Partial {
    sources: PathBuf,
    id: SourceId,
    kept: bool,
}

impl Partial {
    pub(super) fn make(sources: &Path, id: &SourceId) -> io::Result<Self> {
        let partial = Self { sources: sources.to_owned(), id: id.clone(), kept: false };
        DirBuilder::new().mode(0o700).create(partial.path())?;
        Ok(partial)
    }

    /// One that an earlier daemon has left.
    pub(super) fn found(sources: &Path, name: &str) -> Option<Self> {
        let id = name.strip_prefix(PREFIX)?.parse().ok()?;
        Some(Self { sources: sources.to_owned(), id, kept: false })
    }

    /// Takes a source's name away: from here on there is none.
    pub(super) fn of_source(sources: &Path, id: &SourceId) -> io::Result<Self> {
        let partial = Self { sources: sources.to_owned(), id: id.clone(), kept: false };
        fs::rename(partial.source_path(), partial.path())?;
        Ok(partial)
    }

    pub(super) fn is_name(name: &str) -> bool {
        name.starts_with(PREFIX)
    }

    pub(super) fn id(&self) -> &SourceId {
        &self.id
    }

    /// From here on it stays, as it is.
    pub(super) fn stay(&mut self) {
        self.kept = true;
    }

    /// From here on it goes when it is dropped.
    pub(super) fn disown(&mut self) {
        self.kept = false;
    }

    pub(super) fn path(&self) -> PathBuf {
        self.sources.join(format!("{PREFIX}{}", self.id))
    }

    pub(super) fn source_path(&self) -> PathBuf {
        self.sources.join(self.id.as_str())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(self.path())?.sync_all()
    }

    /// Gives it its name.
    pub(super) fn rename(&self) -> io::Result<()> {
        fs::rename(self.path(), self.source_path())
    }

    /// Makes the name last. From here on it stays.
    pub(super) fn keep(&mut self) -> io::Result<()> {
        File::open(&self.sources)?.sync_all()?;
        self.stay();
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for path in [self.source_path(), self.path()] {
            if let Err(error) = fs::remove_dir_all(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::error!(path = %path.display(), %error, "a part of a source is left behind");
            }
        }
    }
}
