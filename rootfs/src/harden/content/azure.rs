//! Keys of Azure's storage, which have no prefix of their own but stand in strings that have a form.

use super::armour::different;
use crate::harden::secret::Secret;

/// The emulator's, which is the same for everyone.
const WELL_KNOWN: &[u8] = b"Eby8vdM02xNO";
const DIFFERENT: usize = 16;

/// `AccountKey=`, then 64 bytes in base64.
pub(super) fn storage(bytes: &[u8], at: usize) -> Option<Secret> {
    let key = bytes.get(at + b"AccountKey=".len()..)?.get(..88)?;
    let (body, end) = key.split_at(86);
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let is_secret = end == b"==" && body.iter().all(is_base64) && !body.starts_with(WELL_KNOWN);
    (is_secret && different(body) >= DIFFERENT).then_some(Secret::Token("Azure"))
}
