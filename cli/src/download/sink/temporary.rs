//! A file or directory that is not yet what it will be, and is removed unless it becomes that.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use rustix::rand::{GetRandomFlags, getrandom};

#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    /// `None` for a directory.
    file: Option<File>,
    is_ours: bool,
}

impl Temporary {
    pub(super) fn file(base: &Path) -> io::Result<Self> {
        let path = name(base)?;
        // The umask has its say, as it has of every file.
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Self { path, file: Some(file), is_ours: true })
    }

    pub(super) fn directory(base: &Path) -> io::Result<Self> {
        let path = name(base)?;
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path, file: None, is_ours: true })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }

    /// `None` for a directory.
    pub(super) fn file_mut(&mut self) -> Option<&mut File> {
        self.file.as_mut()
    }

    /// In the place of whatever file or link stood there.
    pub(super) fn rename(mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)?;
        self.is_ours = false;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed is named so that one can tell what it is.
        if self.is_ours {
            let _ = match self.file {
                Some(_) => fs::remove_file(&self.path),
                None => fs::remove_dir_all(&self.path),
            };
        }
    }
}

fn name(base: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom(&mut random, GetRandomFlags::empty())?;
    Ok(base.join(format!(".kiln-{:016x}", u64::from_ne_bytes(random))))
}
