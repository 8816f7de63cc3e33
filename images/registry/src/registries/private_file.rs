//! Files that hold secrets, or say where they go: read whole, and only when nobody else could have.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Who else may do what to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// It holds a secret.
    Owner,
    /// Anybody may read it; only its owner may write.
    Anybody,
}

#[derive(Debug, thiserror::Error)]
pub enum InsecureFile {
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is no file", path.display())]
    NoFile { path: PathBuf },
    #[error("{} is larger than {most} bytes", path.display())]
    TooLarge { path: PathBuf, most: u64 },
    #[error(
        "{} belongs to user {owner}: it has to be root's, or of the user who runs this", path.display()
    )]
    Owner { path: PathBuf, owner: u32 },
    #[error("{} has mode {mode:03o}, so others may {may}: `chmod {wanted}` it", path.display())]
    Mode { path: PathBuf, mode: u32, may: &'static str, wanted: &'static str },
}

impl Reader {
    /// The file that was checked is the one that is read.
    pub fn read(self, path: &Path, most: u64) -> Result<Vec<u8>, InsecureFile> {
        let failed = |source| InsecureFile::Read { path: path.to_owned(), source };
        // A FIFO without a writer would hold it up for ever.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let file =
            OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(failed)?;
        self.check(path, &file)?;
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > most {
            return Err(InsecureFile::TooLarge { path: path.to_owned(), most });
        }
        Ok(bytes)
    }

    fn check(self, path: &Path, file: &File) -> Result<(), InsecureFile> {
        let path = path.to_owned();
        let found = match file.metadata() {
            Ok(found) => found,
            Err(source) => return Err(InsecureFile::Read { path, source }),
        };
        if !found.is_file() {
            return Err(InsecureFile::NoFile { path });
        }
        let owner = found.uid();
        if !is_trusted(owner, rustix::process::geteuid().as_raw()) {
            return Err(InsecureFile::Owner { path, owner });
        }
        let mode = found.mode() & 0o777;
        match self {
            Self::Owner if mode & 0o077 != 0 => {
                Err(InsecureFile::Mode { path, mode, may: "read or write it", wanted: "600" })
            }
            Self::Anybody if mode & 0o022 != 0 => {
                Err(InsecureFile::Mode { path, mode, may: "write it", wanted: "go-w" })
            }
            Self::Owner | Self::Anybody => Ok(()),
        }
    }
}

/// Root looks at it for a daemon that is about to become another user, whose it may be and who looks
/// again; what root could not trust is not read by root later.
fn is_trusted(owner: u32, reader: u32) -> bool {
    owner == 0 || reader == 0 || owner == reader
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn file(mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "secret").unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        for (mode, secret, shared) in [
            (0o600, true, true),
            (0o400, true, true),
            (0o640, false, true),
            (0o604, false, true),
            (0o620, false, false),
            (0o602, false, false),
            (0o666, false, false),
        ] {
            let file = file(mode);
            assert_eq!(Reader::Owner.read(file.path(), 100).is_ok(), secret, "{mode:o}");
            assert_eq!(Reader::Anybody.read(file.path(), 100).is_ok(), shared, "{mode:o}");
        }
        let told = Reader::Owner.read(file(0o644).path(), 100).unwrap_err().to_string();
        assert!(told.contains("mode 644") && told.contains("chmod 600"), "{told}");
    }

    #[test]
    fn a_strangers_file_is_refused() {
        for (owner, reader, expected) in [
            (0, 0, true),
            (0, 1000, true),
            (1000, 1000, true),
            (1001, 1000, false),
            (1000, 0, true),
        ] {
            assert_eq!(is_trusted(owner, reader), expected, "{owner}'s, read by {reader}");
        }
    }

    #[test]
    fn only_files_of_bounded_size_are_read() {
        let file = file(0o600);
        assert_eq!(Reader::Owner.read(file.path(), 6).unwrap(), b"secret");
        let long = Reader::Owner.read(file.path(), 5);
        assert!(matches!(long, Err(InsecureFile::TooLarge { most: 5, .. })));
        let directory = tempfile::tempdir().unwrap();
        let found = Reader::Owner.read(directory.path(), 5);
        assert!(matches!(found, Err(InsecureFile::NoFile { .. })), "{found:?}");
        let fifo = directory.path().join("fifo");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(matches!(Reader::Owner.read(&fifo, 5), Err(InsecureFile::NoFile { .. })));
    }
}
