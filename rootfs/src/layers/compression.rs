//! How a layer is compressed, which its first bytes say and no name has to.

use std::{fmt, io, io::Read as _};

use crate::image::Extent;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    Plain,
    Gzip,
    Zstd,
}

impl Compression {
    pub(super) fn of(extent: &Extent) -> io::Result<Self> {
        let mut magic = Vec::with_capacity(4);
        extent.reader().take(4).read_to_end(&mut magic)?;
        Ok(match magic[..] {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // The second is a frame to skip, which some writers begin with.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Self::Zstd,
            _ => Self::Plain,
        })
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Plain => "tar",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}
