//! What an image may ask for.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of all layers' tars together.
    pub bytes: u64,
    /// Of all files of all layers: what they seem to be larger than they are.
    pub holes: u64,
    /// Of all layers together, with the segments of files with holes.
    pub entries: u64,
    /// Of all names, targets of links and extended attributes together, which are kept in memory.
    pub words: u64,
    /// Of directories inside each other.
    pub depth: usize,
    /// Of the targets of links that are followed on the ways of entries, each time that they are.
    pub windings: u64,
    /// How much more a layer may be than its blob.
    pub ratio: u64,
    /// A layer that inflates to less is no bomb, whatever its ratio.
    pub harmless: u64,
}

impl Default for Limits {
    /// What no honest image comes near: 256 GiB, two million entries.
    fn default() -> Self {
        let entries = 2_000_000;
        Self {
            bytes: 256 << 30,
            holes: 16 << 40,
            entries,
            words: entries * 256,
            depth: 128,
            windings: 1 << 28,
            ratio: 1000,
            harmless: 1 << 30,
        }
    }
}
