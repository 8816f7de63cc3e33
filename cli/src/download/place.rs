//! Where an output goes, looked at before anything is begun.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::{archive::Links, args::Destination};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Stdout,
    /// Of a tar.
    Directory {
        path: PathBuf,
        links: Links,
    },
    File(PathBuf),
    /// A block device, whose bytes are out before their digest is known.
    Device(PathBuf),
    /// The program, which takes an archive on its stdin.
    Docker(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("{} is there and is no directory", path.display())]
    NoDirectory { path: PathBuf },
    #[error("{} is a directory: name a file", path.display())]
    NoFile { path: PathBuf },
    #[error("{} is neither a file nor a block device: name one, or - for stdout", path.display())]
    Odd { path: PathBuf },
    #[error("cannot write to {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "there is no docker on PATH that could load an image: write type=docker,dest=FILE for a file"
    )]
    NoDocker,
    #[error("stdout is a terminal: send it to a file or a pipe")]
    Terminal,
}

impl Place {
    /// This machine's docker, where there is one.
    pub(crate) fn docker() -> Result<Self, PlaceError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_program = |path: &PathBuf| {
            let is_executable =
                |metadata: &fs::Metadata| metadata.permissions().mode() & 0o111 != 0;
            path.metadata().is_ok_and(|metadata| metadata.is_file() && is_executable(&metadata))
        };
        let found = std::env::split_paths(&path).map(|path| path.join("docker")).find(is_program);
        found.map(Self::Docker).ok_or(PlaceError::NoDocker)
    }

    fn directory(path: &Path) -> Self {
        Self::Directory { path: path.to_owned(), links: Links::Inside }
    }

    /// For a directory whose links are its owner's matter, wherever they lead.
    pub(crate) fn with_links_as_they_are(self) -> Self {
        match self {
            Self::Directory { path, links: _ } => Self::Directory { path, links: Links::AsTheyAre },
            other => other,
        }
    }

    /// Refuses what is known to fail before a job is begun for it.
    pub(crate) fn check(destination: &Destination) -> Result<Self, PlaceError> {
        match destination {
            Destination::Stdout if rustix::termios::isatty(io::stdout()) => {
                Err(PlaceError::Terminal)
            }
            Destination::Stdout => Ok(Self::Stdout),
            Destination::Directory(path) => match path.metadata() {
                Ok(metadata) if metadata.is_dir() => Ok(Self::directory(path)),
                Ok(_) => Err(PlaceError::NoDirectory { path: path.clone() }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let ancestor = existing_ancestor(path);
                    if ancestor.is_dir() {
                        Ok(Self::directory(path))
                    } else {
                        Err(PlaceError::NoDirectory { path: ancestor })
                    }
                }
                Err(source) => Err(PlaceError::Io { path: path.clone(), source }),
            },
            Destination::File(path) => {
                match path.metadata().map(|metadata| metadata.file_type()) {
                    Ok(kind) if kind.is_dir() => {
                        return Err(PlaceError::NoFile { path: path.clone() });
                    }
                    Ok(kind) if kind.is_block_device() => return Ok(Self::Device(path.clone())),
                    // A file would take its place.
                    Ok(kind) if !kind.is_file() => {
                        return Err(PlaceError::Odd { path: path.clone() });
                    }
                    // What is not there is made.
                    Ok(_) | Err(_) => {}
                }
                let directory = parent(path);
                match fs::metadata(&directory) {
                    Ok(metadata) if metadata.is_dir() => Ok(Self::File(path.clone())),
                    Ok(_) => Err(PlaceError::NoDirectory { path: directory }),
                    Err(source) => Err(PlaceError::Io { path: directory, source }),
                }
            }
        }
    }
}

/// Never empty, as `Path::parent` is of a bare name.
pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => ".".into(),
        Some(parent) => parent.to_owned(),
        None => "/".into(),
    }
}

/// The nearest directory above `path` that is there.
pub(super) fn existing_ancestor(path: &Path) -> PathBuf {
    let mut ancestor = parent(path);
    while ancestor.symlink_metadata().is_err() && ancestor.parent().is_some() {
        ancestor = parent(&ancestor);
    }
    ancestor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_to_is_known_beforehand() {
        let base = tempfile::tempdir().unwrap();
        let at = |path: &str| base.path().join(path);
        fs::write(at("file"), "").unwrap();
        let check = |destination: Destination, part: Option<&str>| {
            let error = Place::check(&destination).err().map(|error| error.to_string());
            match part {
                None => assert_eq!(error, None),
                Some(part) => assert!(error.unwrap().contains(part), "{part}"),
            }
        };
        check(Destination::Directory(at("new/and/deep")), None);
        check(Destination::Directory(base.path().to_owned()), None);
        check(Destination::Directory(at("file")), Some("is no directory"));
        check(Destination::Directory(at("file/below")), Some("write to"));
        check(Destination::File(at("new.tar")), None);
        check(Destination::File(at("file")), None);
        check(Destination::File(base.path().to_owned()), Some("name a file"));
        check(Destination::File(at("none/new.tar")), Some("cannot write to"));
        check(Destination::File("/dev/null".into()), Some("neither a file nor a block device"));
    }
}
