//! What a gateway wrote down, and what comes of it with what the kernel saw.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::SystemTime,
};

use kiln_net::record::{EgressRecord, Journal};
use rustix::fs::OFlags;

use super::begin::{RECORD_BYTES, record_path};

/// A journal that could not be read is empty, and why is told.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) journal: Journal,
    pub(super) unread: Option<String>,
}

impl Written {
    /// As far as it goes by now. Blocks for as long as a small file takes.
    pub(super) fn read(path: &Path) -> Self {
        match open(path).and_then(|file| Journal::read(BufReader::new(file), RECORD_BYTES)) {
            Ok(journal) => Self { journal, unread: None },
            Err(error) => Self::unread(&error),
        }
    }

    pub(super) fn unread(error: &(dyn std::error::Error + 'static)) -> Self {
        let unread = format!("the gateway's record could not be read: {error}");
        Self { journal: Journal::default(), unread: Some(unread) }
    }
}

/// Nothing but the file that we made: it is the gateway's, which may be a guest's by now.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
}

/// What is known of a machine's network that is gone with its machine; `None` where it had none.
pub(crate) fn left_behind(directory: &Path, since: SystemTime) -> Option<EgressRecord> {
    let path = record_path(directory);
    path.symlink_metadata().ok()?;
    let Written { journal, unread } = Written::read(&path);
    let mut record = EgressRecord::merge(&journal, None, &[], &(since..=SystemTime::now()));
    if let Some(unread) = unread {
        record.lack(&unread);
    }
    Some(record)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use kiln_net::{
        control::Event,
        record::{Reason, Refusal, Refused},
    };
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn line(name: &str) -> String {
        let what = Refused::Query { name: name.to_owned(), kind: "A".to_owned() };
        let refusal =
            Refusal { what, reason: Reason::NotAllowed, times: 1, first: None, last: None };
        format!("{}\n", serde_json::to_string(&Event::Refused(refusal)).unwrap())
    }

    #[test]
    fn what_is_not_the_file_that_was_made_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = record_path(directory.path());
        assert_eq!(left_behind(directory.path(), SystemTime::UNIX_EPOCH), None);
        let check = |what: &str| {
            assert!(Written::read(&path).unread.is_some(), "{what}");
        };
        check("nothing");
        let other = directory.path().join("other");
        fs::write(&other, line("one.test")).unwrap();
        symlink(&other, &path).unwrap();
        check("a link");
        fs::remove_file(&path).unwrap();
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap();
        check("a pipe, at which nobody is waited for");
        fs::remove_file(&path).unwrap();
        fs::write(&path, line("one.test")).unwrap();
        assert_eq!(Written::read(&path).unread, None);
        let record = left_behind(directory.path(), SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(record.refusals.len(), 1);
        assert!(record.incomplete.is_some(), "what the kernel saw is not in it");
    }
}
