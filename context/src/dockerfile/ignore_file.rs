//! The ignore file that counts.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::fs::fstat;

use super::DockerfileError;
use crate::walk::Stamp;

/// Behind a Dockerfile's name.
pub(crate) const OWN: &str = ".dockerignore";
/// Longer than anyone writes; the rest of a list that has no end.
const LONGEST: u64 = 16 << 20;

#[derive(Clone, Debug)]
pub(crate) struct IgnoreFile {
    /// For messages.
    pub(crate) path: PathBuf,
    /// In the context.
    pub(crate) place: Option<Vec<u8>>,
    /// In the context, when it is a link.
    pub(crate) target: Option<Vec<u8>>,
    pub(crate) content: Vec<u8>,
    /// Of what was read.
    pub(crate) stamp: Stamp,
}

impl IgnoreFile {
    pub(super) fn of_context(root: &Path) -> Result<Option<Self>, DockerfileError> {
        let path = root.join(OWN);
        let found = Self::read(root, &path)?;
        // The engine looks for it nowhere but in the context.
        Ok(found.filter(|found| found.target.is_some() || !is_link(&path)))
    }

    /// `NAME.dockerignore`.
    pub(super) fn beside(root: &Path, dockerfile: &Path) -> Result<Option<Self>, DockerfileError> {
        let mut path = OsString::from(dockerfile);
        path.push(OWN);
        Self::read(root, Path::new(&path))
    }

    fn read(root: &Path, path: &Path) -> Result<Option<Self>, DockerfileError> {
        let wrong = |source| DockerfileError::Ignore { path: path.to_owned(), source };
        let missing = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Ok(None),
            Err(error) if missing.contains(&error.kind()) => return Ok(None),
            Err(error) => return Err(wrong(error)),
        }
        let file = File::open(path).map_err(wrong)?;
        let mut content = Vec::new();
        (&file).take(LONGEST + 1).read_to_end(&mut content).map_err(wrong)?;
        if content.len() as u64 > LONGEST {
            return Err(wrong(io::Error::other(format!("it is longer than {LONGEST} bytes"))));
        }
        let stamp = Stamp::of(&fstat(&file).map_err(|error| wrong(error.into()))?);
        let below = |path: &Path| {
            let below = path.strip_prefix(root).ok()?;
            Some(below.as_os_str().as_bytes().to_vec())
        };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = fs::canonicalize(parent.unwrap_or(Path::new("."))).map_err(wrong)?;
        let place = below(&directory.join(path.file_name().unwrap_or_default()));
        let target =
            if is_link(path) { below(&fs::canonicalize(path).map_err(wrong)?) } else { None };
        Ok(Some(Self { path: path.to_owned(), place, target, content, stamp }))
    }

    /// Where it is in the context.
    pub(super) fn places(&self) -> impl Iterator<Item = Vec<u8>> {
        self.place.iter().chain(&self.target).cloned()
    }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}
