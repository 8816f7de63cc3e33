//! Compressed streams, by how they begin.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Other { name: &'static str, program: &'static str },
}

impl Compression {
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let other = |name, program| Some(Self::Other { name, program });
        match head {
            [0x1f, 0x8b, 0x08, ..] => Some(Self::Gzip),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => other("bzip2", "bzip2"),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => other("xz", "xz"),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => other("zstd", "zstd"),
            _ => None,
        }
    }
}
