//! Keys of AWS: a name, which is no secret, and 40 characters that nothing tells from others. Both in
//! one file are one.

use super::{armour::different, token::is_example};

pub(super) const ISSUER: &str = "AWS";
const LENGTH: usize = 40;
const DIFFERENT: usize = 20;

/// Whether there is anything that could be the secret half. A digest in hex is not.
pub(super) fn has_key(bytes: &[u8]) -> bool {
    let in_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    bytes.split(|byte| !in_key(byte)).any(|run| {
        run.len() == LENGTH
            && run.iter().filter(|byte| byte.is_ascii_digit()).count() >= 2
            && run.iter().any(u8::is_ascii_lowercase)
            && run.iter().any(u8::is_ascii_uppercase)
            && different(run) >= DIFFERENT
            && !is_example(run)
    })
}
