//! The bytes of a source, made anew for each try.

use std::{
    fs::File,
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use crate::archive::{PackError, pack};

const CHUNK: usize = 64 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Packed.
    Directory(PathBuf),
    /// As it is.
    File(PathBuf),
    /// As it is, and once only.
    Stdin,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ContentError {
    #[error("cannot open {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{} is neither a directory nor a file that ends in .tar: pack it, or bring it in as it is with --input-raw", path.display())]
    NoArchive { path: PathBuf },
    #[error("{} is no file: only a file can be brought in as it is", path.display())]
    NoFile { path: PathBuf },
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error(
        "{path} changed while it was sent: {sent} bytes were read and it had {size}; is something writing to it?"
    )]
    Changed { path: String, size: u64, sent: u64 },
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error("cannot pass it on")]
    Write(#[source] io::Error),
}

impl Content {
    /// A directory or a tar.
    pub(crate) fn archive(path: &Path) -> Result<Self, ContentError> {
        let metadata = metadata(path)?;
        match path.extension() {
            _ if metadata.is_dir() => Ok(Self::Directory(path.to_owned())),
            Some(extension) if extension == "tar" && metadata.is_file() => {
                Ok(Self::File(path.to_owned()))
            }
            _ => Err(ContentError::NoArchive { path: path.to_owned() }),
        }
    }

    pub(crate) fn file(path: &Path) -> Result<Self, ContentError> {
        if metadata(path)?.is_file() {
            Ok(Self::File(path.to_owned()))
        } else {
            Err(ContentError::NoFile { path: path.to_owned() })
        }
    }

    /// 0 where nobody knows beforehand.
    pub(super) fn size(&self) -> Result<u64, ContentError> {
        match self {
            Self::Directory(_) | Self::Stdin => Ok(0),
            Self::File(path) => Ok(metadata(path)?.len()),
        }
    }

    pub(crate) fn write_to(
        &self,
        into: &mut impl Write,
        warn: impl FnMut(String),
    ) -> Result<(), ContentError> {
        match self {
            Self::Directory(path) => pack(path, into, warn).map_err(ContentError::from),
            Self::File(path) => {
                let file = File::open(path)
                    .map_err(|source| ContentError::Open { path: path.clone(), source })?;
                let name = path.display().to_string();
                let size = metadata(path)?.len();
                // One byte more than there should be shows a file that grows.
                let sent = copy(&mut file.take(size.saturating_add(1)), into, &name)?;
                if sent == size {
                    Ok(())
                } else {
                    Err(ContentError::Changed { path: name, size, sent })
                }
            }
            Self::Stdin => copy(&mut io::stdin().lock(), into, "stdin").map(drop),
        }
    }

    /// Whether the same bytes come again.
    pub(crate) fn is_repeatable(&self) -> bool {
        match self {
            Self::Directory(_) | Self::File(_) => true,
            Self::Stdin => false,
        }
    }

    /// As people know it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Directory(path) | Self::File(path) => path.display().to_string(),
            Self::Stdin => "stdin".to_owned(),
        }
    }
}

fn metadata(path: &Path) -> Result<std::fs::Metadata, ContentError> {
    path.metadata().map_err(|source| ContentError::Open { path: path.to_owned(), source })
}

fn copy(from: &mut impl Read, into: &mut impl Write, path: &str) -> Result<u64, ContentError> {
    let mut chunk = vec![0; CHUNK];
    let mut total = 0;
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(total),
            Ok(read) => {
                into.write_all(&chunk[..read]).map_err(ContentError::Write)?;
                total += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(source) => return Err(ContentError::Read { path: path.to_owned(), source }),
        }
    }
}
