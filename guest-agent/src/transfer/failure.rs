//! Why a disk was not carried.

use std::{error::Error, io, path::PathBuf};

use kiln_proto::agent::v1::{DiskRefused, disk_refused::Reason};
use rustix::io::Errno;

use crate::disks::NoDisk;

#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    NoDisk(#[from] NoDisk),
    #[error("the agent could not {what}")]
    Agent { what: &'static str, source: io::Error },
    #[error("{path:?} {what}")]
    Path { path: PathBuf, what: &'static str, source: io::Error },
    #[error("{path:?} is not {expected}")]
    NotTheKind { path: PathBuf, expected: &'static str },
    #[error("{what} needs {needed} than the disk's {disk_bytes} bytes")]
    TooLarge { what: &'static str, needed: String, disk_bytes: u64 },
    #[error("the archive cannot be read: {why}")]
    Archive { why: String },
    #[error("the archive's entry {name:?} {why}")]
    Entry { name: String, why: String },
    #[error("the file system has no room for {name:?}")]
    Full { name: String },
    #[error("whoever wrote has not written all of it")]
    Unfinished,
}

/// A failure as the host is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Failure {
    /// What the kernel says of an entry that is to be made.
    pub(super) fn of_entry(name: &[u8], errno: Errno) -> Self {
        let name = String::from_utf8_lossy(name).into_owned();
        let why = match errno {
            Errno::NOSPC | Errno::DQUOT => return Self::Full { name },
            Errno::IO | Errno::NOMEM | Errno::MFILE | Errno::NFILE => {
                return Self::Agent { what: "write the file system", source: errno.into() };
            }
            Errno::XDEV => "would lead out of the directory".to_owned(),
            Errno::LOOP => "leads through a loop of links".to_owned(),
            Errno::ISDIR | Errno::NOTEMPTY => "stands where a directory is".to_owned(),
            Errno::NOTDIR => "lies below what is no directory".to_owned(),
            Errno::NAMETOOLONG => "has too long a name".to_owned(),
            Errno::FBIG => "is larger than a file can be".to_owned(),
            errno => format!("cannot be made: {errno}"),
        };
        Self::Entry { name, why }
    }

    /// What the archive's reader says, which passes on what the disk says.
    pub(super) fn of_archive(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => {
                Self::Agent { what: "read the disk", source: io::Error::from_raw_os_error(errno) }
            }
            None => Self::Archive { why: error.to_string() },
        }
    }

    fn reason(&self) -> Reason {
        match self {
            Self::NoDisk(_) | Self::Agent { .. } => Reason::Agent,
            Self::Path { source, .. } => match Errno::from_io_error(source) {
                Some(Errno::NOSPC | Errno::DQUOT) => Reason::DiskFull,
                Some(Errno::IO | Errno::NOMEM | Errno::MFILE | Errno::NFILE) | None => {
                    Reason::Agent
                }
                Some(_) => Reason::NotFound,
            },
            Self::NotTheKind { .. } | Self::Unfinished => Reason::NotFound,
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::Archive { .. } | Self::Entry { .. } => Reason::Invalid,
            Self::Full { .. } => Reason::DiskFull,
        }
    }
}

impl Refused {
    /// The disk holds less than there was.
    pub(crate) fn is_no_room(&self) -> bool {
        self.reason == Reason::TooLarge
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl From<&Failure> for Refused {
    fn from(failure: &Failure) -> Self {
        let mut message = failure.to_string();
        let mut source = failure.source();
        while let Some(error) = source {
            message.push_str(": ");
            message.push_str(&error.to_string());
            source = error.source();
        }
        Self { reason: failure.reason(), message }
    }
}

impl From<Refused> for DiskRefused {
    fn from(refused: Refused) -> Self {
        let Refused { reason, message } = refused;
        Self { reason: reason.into(), message }
    }
}
