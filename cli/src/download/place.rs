//! Where an output goes, looked at before anything is begun.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::args::Destination;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Stdout,
    /// Of a tar.
    Directory(PathBuf),
    File(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("{} is there and is no directory", path.display())]
    NoDirectory { path: PathBuf },
    #[error("{} is a directory: name a file", path.display())]
    NoFile { path: PathBuf },
    #[error("cannot write to {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("stdout is a terminal: send it to a file or a pipe")]
    Terminal,
}

impl Place {
    /// Refuses what is known to fail before a job is begun for it.
    pub(crate) fn check(destination: &Destination) -> Result<Self, PlaceError> {
        match destination {
            Destination::Stdout if rustix::termios::isatty(io::stdout()) => {
                Err(PlaceError::Terminal)
            }
            Destination::Stdout => Ok(Self::Stdout),
            Destination::Directory(path) => match path.metadata() {
                Ok(metadata) if metadata.is_dir() => Ok(Self::Directory(path.clone())),
                Ok(_) => Err(PlaceError::NoDirectory { path: path.clone() }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let ancestor = existing_ancestor(path);
                    if ancestor.is_dir() {
                        Ok(Self::Directory(path.clone()))
                    } else {
                        Err(PlaceError::NoDirectory { path: ancestor })
                    }
                }
                Err(source) => Err(PlaceError::Io { path: path.clone(), source }),
            },
            Destination::File(path) => {
                if path.is_dir() {
                    return Err(PlaceError::NoFile { path: path.clone() });
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
    }
}
