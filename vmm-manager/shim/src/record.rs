//! What a supervisor leaves in its directory for whoever comes later.
//!
//! Each file is renamed into place: a reader sees all of it, or what was there before. They are not
//! synced, since no process survives what an unsynced file does not.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Child, EXIT_FILE, MAJOR, ProcessIdentity, RECORD_FILE, files::clear};

/// Far more than either ever is.
const MAX_BYTES: u64 = 4 << 20;

/// Who supervises the machine, and who its processes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimRecord {
    pub major: u32,
    pub minor: u32,
    pub boot_id: String,
    pub instance: String,
    pub name: String,
    pub driver: String,
    /// The supervisor's own.
    pub process: ProcessIdentity,
    /// Those that have been started so far.
    pub children: Vec<Child>,
    pub cgroups: Vec<PathBuf>,
}

/// What the record of every version has, so that what runs can be ended by a daemon of any.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Traces {
    pub boot_id: String,
    pub instance: String,
    pub process: ProcessIdentity,
    #[serde(default)]
    pub children: Vec<Child>,
    #[serde(default)]
    pub cgroups: Vec<PathBuf>,
}

/// How the machine ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    pub major: u32,
    pub minor: u32,
    /// Of the supervisor that saw it; an earlier one may have left its own record.
    pub process: ProcessIdentity,
    /// A client had said that it ends the machine, before anything of it had ended.
    pub stopping: bool,
    /// The program whose end was the machine's.
    pub first: String,
    pub children: Vec<ChildExit>,
    /// How many processes the kernel killed for the memory of their cgroup.
    pub oom_kills: u64,
    pub memory_limit_bytes: Option<u64>,
}

/// How one program ended; after the first, because we killed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildExit {
    pub name: String,
    pub end: End,
    /// The end of what it wrote to stderr.
    pub stderr: String,
    /// The end of what it said on the line that we hold.
    pub heard: String,
}

/// As the kernel tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Code(i32),
    Signal(i32),
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exited with code {code}"),
            Self::Signal(signal) => write!(formatter, "was killed by signal {signal}"),
        }
    }
}

/// Why a record says nothing.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("there is none")]
    Absent,
    #[error("it is of protocol {theirs}, and this is {MAJOR}")]
    Version { theirs: u32 },
    #[error("it is not understood")]
    Garbled,
    #[error("it could not be read")]
    Io(#[source] io::Error),
}

impl Traces {
    pub fn read(directory: &Path) -> Result<Self, RecordError> {
        let text = text(&directory.join(RECORD_FILE))?;
        serde_json::from_slice(&text).map_err(|_| RecordError::Garbled)
    }
}

impl ShimRecord {
    pub fn read(directory: &Path) -> Result<Self, RecordError> {
        read(&directory.join(RECORD_FILE))
    }

    pub fn write(&self, directory: &Path) -> io::Result<()> {
        write(&directory.join(RECORD_FILE), self)
    }
}

impl ExitRecord {
    pub fn read(directory: &Path) -> Result<Self, RecordError> {
        read(&directory.join(EXIT_FILE))
    }

    pub fn write(&self, directory: &Path) -> io::Result<()> {
        write(&directory.join(EXIT_FILE), self)
    }

    /// The one with this name.
    pub fn child(&self, name: &str) -> Option<&ChildExit> {
        self.children.iter().find(|child| child.name == name)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, RecordError> {
    #[derive(Deserialize)]
    struct Version {
        major: u32,
    }
    let text = text(path)?;
    let Version { major: theirs } =
        serde_json::from_slice(&text).map_err(|_| RecordError::Garbled)?;
    if theirs != MAJOR {
        return Err(RecordError::Version { theirs });
    }
    serde_json::from_slice(&text).map_err(|_| RecordError::Garbled)
}

fn text(path: &Path) -> Result<Vec<u8>, RecordError> {
    // Neither a FIFO nor a link may make us wait or lead us away.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(RecordError::Absent),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            return Err(RecordError::Garbled);
        }
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
            return Err(RecordError::Garbled);
        }
        Err(error) => return Err(RecordError::Io(error)),
    };
    if !file.metadata().map_err(RecordError::Io)?.is_file() {
        return Err(RecordError::Garbled);
    }
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text).map_err(RecordError::Io)?;
    Ok(text)
}

fn write<T: Serialize>(path: &Path, record: &T) -> io::Result<()> {
    let fresh = path.with_extension("new");
    clear(&fresh)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(&serde_json::to_vec(record)?)?;
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn record() -> ShimRecord {
        let process = ProcessIdentity { pid: 1, start_time: 2 };
        ShimRecord {
            major: MAJOR,
            minor: 0,
            boot_id: "b".to_owned(),
            instance: "i".to_owned(),
            name: "n".to_owned(),
            driver: "d".to_owned(),
            process,
            children: vec![Child { name: "c".to_owned(), process, confinement: None }],
            cgroups: vec!["/x".into()],
        }
    }

    fn check(make: impl FnOnce(&Path), expected: &str) {
        let directory = tempfile::tempdir().unwrap();
        make(&directory.path().join(RECORD_FILE));
        let said = match ShimRecord::read(directory.path()) {
            Ok(read) => {
                assert_eq!(read, record());
                "read".to_owned()
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn a_record_is_read_whole_or_not_at_all() {
        let text = serde_json::to_string(&record()).unwrap();
        check(|_| {}, "there is none");
        check(|path| write(path, &record()).unwrap(), "read");
        check(|path| fs::write(path, &text[..text.len() / 2]).unwrap(), "it is not understood");
        check(|path| fs::write(path, "").unwrap(), "it is not understood");
        check(|path| fs::create_dir(path).unwrap(), "it is not understood");
        check(|path| symlink("/nonexistent", path).unwrap(), "it is not understood");
        check(|path| symlink("/etc/passwd", path).unwrap(), "it is not understood");
        let newer = text.replace("\"minor\":0", "\"minor\":7,\"of_the_next_release\":1");
        let other = text.replace("\"major\":1", "\"major\":2");
        assert!(other != text && newer != text);
        check(|path| fs::write(path, other).unwrap(), "it is of protocol 2, and this is 1");
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(RECORD_FILE), newer).unwrap();
        assert_eq!(ShimRecord::read(directory.path()).unwrap().minor, 7);
    }
}
