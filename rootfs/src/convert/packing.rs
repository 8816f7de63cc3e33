//! What a file system may be packed in.

use std::{fmt, io::Write};

use flate2::{GzBuilder, write::GzEncoder};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Packing {
    #[default]
    None,
    Gzip,
    Zstd,
}

/// Good enough for what mostly is zeros and programs, and not the slowest.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// Packs what is written to it. [`Packed::finish`] ends it.
pub(super) enum Packed<W: Write> {
    None(W),
    Gzip(GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl Packing {
    /// Neither names nor times get into the stream: the same bytes give the same bytes.
    pub(super) fn pack<W: Write>(self, out: W) -> std::io::Result<Packed<W>> {
        Ok(match self {
            Self::None => Packed::None(out),
            Self::Gzip => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                Packed::Gzip(GzBuilder::new().mtime(0).write(out, level))
            }
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(out, ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Packed::Zstd(encoder)
            }
        })
    }
}

impl<W: Write> Packed<W> {
    pub(super) fn finish(self) -> std::io::Result<W> {
        match self {
            Self::None(out) => Ok(out),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Packed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::None(out) => out.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::None(out) => out.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}
