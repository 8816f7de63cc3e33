//! Numbers in the structures of the disk: little-endian, and often in two halves that stand apart.

/// Writes a number where it stands in a structure.
pub(super) fn put<const N: usize>(structure: &mut [u8], at: usize, bytes: [u8; N]) {
    structure[at..at + N].copy_from_slice(&bytes);
}

/// Writes a number of 32 bits in halves.
pub(super) fn put_halves(structure: &mut [u8], low: usize, high: usize, value: u32) {
    put(structure, low, low_16(u64::from(value)));
    put(structure, high, low_16(u64::from(value >> 16)));
}

/// Writes a number of 64 bits in halves.
pub(super) fn put_wide(structure: &mut [u8], low: usize, high: usize, value: u64) {
    put(structure, low, low_32(value));
    put(structure, high, low_32(value >> 32));
}

/// Writes a number of 48 bits: 32 of them in one place, 16 in another.
pub(super) fn put_48(structure: &mut [u8], low: usize, high: usize, value: u64) {
    put(structure, low, low_32(value));
    put(structure, high, low_16(value >> 32));
}

/// The low bits of a number.
pub(super) fn low_16(value: u64) -> [u8; 2] {
    let [low, next, ..] = value.to_le_bytes();
    [low, next]
}

/// The low bits of a number.
pub(super) fn low_32(value: u64) -> [u8; 4] {
    value.to_le_bytes().first_chunk().copied().unwrap_or_default()
}
