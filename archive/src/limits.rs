//! How much an archive may ask for.

/// Of what one directory tree can need: more is an attack, or better kept as a tar.
const ENTRIES: u64 = 1_000_000;
const DEPTH: usize = 128;
/// 16 TiB: ext4, of which outputs come, takes no larger file.
const HOLES: u64 = 16 << 40;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Members, and segments of files with holes.
    pub entries: u64,
    /// Of directories inside each other.
    pub depth: usize,
    /// Of all files together, without their holes.
    pub bytes: u64,
    /// Of all files together: what they seem to be larger than they are.
    pub holes: u64,
}

impl Limits {
    /// For an archive whose length the host told: the data in it cannot be more.
    pub fn of_length(length: u64) -> Self {
        Self { entries: ENTRIES, depth: DEPTH, bytes: length, holes: HOLES }
    }
}
