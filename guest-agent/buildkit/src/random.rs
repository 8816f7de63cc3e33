//! Names that nobody has had before.

use rustix::rand::{GetRandomFlags, getrandom};

/// As the engine's own: 25 characters.
pub(crate) fn id() -> String {
    let mut bytes = [0_u8; 25];
    // A short row or none would be of zeros, and the next of the kind be refused as known: the kernel
    // gives up to 256 bytes whole.
    let filled = getrandom(&mut bytes, GetRandomFlags::empty());
    debug_assert_eq!(filled, Ok(bytes.len()));
    bytes.iter().map(|byte| char::from_digit(u32::from(byte % 32), 36).unwrap_or('0')).collect()
}
