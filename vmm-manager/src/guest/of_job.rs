//! What a job asks for, in the words of its guest.

use super::{DiskFormat, TerminalSize};
use crate::job;

impl From<job::DiskFormat> for DiskFormat {
    fn from(format: job::DiskFormat) -> Self {
        match format {
            job::DiskFormat::Tar => Self::Tar,
            job::DiskFormat::Raw => Self::Raw,
        }
    }
}

impl From<job::TerminalSize> for TerminalSize {
    fn from(size: job::TerminalSize) -> Self {
        let job::TerminalSize { rows, columns } = size;
        Self { rows, columns }
    }
}
