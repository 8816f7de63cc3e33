//! What a program does to files.

/// The value is the byte that stands for it in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Operation {
    /// Whatever brings bytes into a file: `write`, `pwritev`, `copy_file_range`, …
    Write = b'w',
    /// `fsync` and `fdatasync`, of a file or a directory.
    Sync = b's',
    Truncate = b't',
    Allocate = b'a',
    /// An `open` that makes the file.
    Create = b'c',
    Rename = b'r',
    Link = b'l',
    Unlink = b'u',
    MakeDirectory = b'm',
    RemoveDirectory = b'd',
    /// Nothing that the program did: a test saw an answer.
    Mark = b'!',
    /// Nothing that the program did: a fault was put in its way.
    Fault = b'x',
}

impl Operation {
    /// All that a program does.
    pub const ALL: [Self; 10] = [
        Self::Write,
        Self::Sync,
        Self::Truncate,
        Self::Allocate,
        Self::Create,
        Self::Rename,
        Self::Link,
        Self::Unlink,
        Self::MakeDirectory,
        Self::RemoveDirectory,
    ];

    pub fn byte(self) -> u8 {
        self as u8
    }

    pub fn from_byte(byte: u8) -> Option<Self> {
        let all = Self::ALL.into_iter().chain([Self::Mark, Self::Fault]);
        all.into_iter().find(|operation| operation.byte() == byte)
    }
}
