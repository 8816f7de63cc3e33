//! The write log: what a program did to the files below a directory, in order.
//!
//! ```text
//! K operation inode:8 offset:8 path:4 other:4 data:4   path… other… data…
//! ```
//!
//! A record is appended by one write, after the call and before the program sees its answer; the
//! library lets one call at a time through, so the order is that of the calls.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};

use crate::Operation;

const HEAD: usize = 30;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub operation: Operation,
    pub inode: u64,
    /// Of a write; the new length of a truncation; where an allocation begins.
    pub offset: u64,
    pub path: PathBuf,
    /// Where a rename leads to, what a link links to.
    pub other: PathBuf,
    /// What was written; an allocation's length and mode; a mark's words; a fault's name.
    pub data: Vec<u8>,
}

impl Record {
    pub fn encode(&self) -> Vec<u8> {
        use std::os::unix::ffi::OsStrExt as _;
        let path = self.path.as_os_str().as_bytes();
        let other = self.other.as_os_str().as_bytes();
        let mut bytes = Vec::with_capacity(HEAD + path.len() + other.len() + self.data.len());
        bytes.extend([b'K', self.operation.byte()]);
        bytes.extend(self.inode.to_le_bytes());
        bytes.extend(self.offset.to_le_bytes());
        for part in [path, other, &self.data] {
            bytes.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
        }
        for part in [path, other, &self.data] {
            bytes.extend_from_slice(part);
        }
        bytes
    }

    /// The first record of `bytes` and the rest; `None` at the end, or where it is torn.
    fn decode(bytes: &[u8]) -> anyhow::Result<Option<(Self, &[u8])>> {
        use std::os::unix::ffi::OsStringExt as _;
        let Some((head, mut rest)) = bytes.split_at_checked(HEAD) else { return Ok(None) };
        ensure!(head[0] == b'K', "no record begins with {:?}", head[0]);
        let long = |at: usize| -> anyhow::Result<u64> {
            Ok(u64::from_le_bytes(head[at..at + 8].try_into()?))
        };
        let mut parts = Vec::new();
        for at in [18, 22, 26] {
            let length = u32::from_le_bytes(head[at..at + 4].try_into()?);
            let Some((part, after)) = rest.split_at_checked(usize::try_from(length)?) else {
                return Ok(None);
            };
            parts.push(part.to_vec());
            rest = after;
        }
        let mut next = || parts.remove(0);
        let path = |bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes));
        let record = Self {
            operation: Operation::from_byte(head[1]).context("no such operation")?,
            inode: long(2)?,
            offset: long(10)?,
            path: path(next()),
            other: path(next()),
            data: next(),
        };
        Ok(Some((record, rest)))
    }
}

/// All records of a log; one that a killed program left torn ends it.
pub fn read_records(log: &Path) -> anyhow::Result<Vec<Record>> {
    let bytes = std::fs::read(log).with_context(|| format!("reading {}", log.display()))?;
    let mut records = Vec::new();
    let mut rest = &*bytes;
    while let Some((record, after)) = Record::decode(rest)? {
        records.push(record);
        rest = after;
    }
    Ok(records)
}

/// Notes among the records that a test knows something from here on: an answer arrived.
pub fn mark(log: &Path, words: &str) -> anyhow::Result<()> {
    let record = Record {
        operation: Operation::Mark,
        inode: 0,
        offset: 0,
        path: PathBuf::new(),
        other: PathBuf::new(),
        data: words.as_bytes().to_vec(),
    };
    let mut file = OpenOptions::new()
        .append(true)
        .open(log)
        .with_context(|| format!("opening {}", log.display()))?;
    Ok(file.write_all(&record.encode())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_were_written_and_a_torn_one_ends_them() {
        let record = |operation| Record {
            operation,
            inode: 7,
            offset: 1 << 40,
            path: "/home/x".into(),
            other: "/home/y".into(),
            data: b"bytes\0".to_vec(),
        };
        let records: Vec<_> = Operation::ALL.map(record).into();
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = records.iter().flat_map(Record::encode).collect();
        std::fs::write(file.path(), &bytes).unwrap();
        assert_eq!(read_records(file.path()).unwrap(), records);
        std::fs::write(file.path(), &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(read_records(file.path()).unwrap(), records[..records.len() - 1]);
        mark(file.path(), "seen").unwrap();
        assert!(read_records(file.path()).is_err());
    }
}
