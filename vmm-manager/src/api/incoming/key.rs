//! By what a client that asks again is recognised.

use crate::api::field::InvalidField;

const MOST_BYTES: usize = 128;

/// `None` when the client chose none.
pub(in crate::api) fn idempotency_key(key: String) -> Result<Option<String>, InvalidField> {
    if key.len() > MOST_BYTES || !key.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(InvalidField::new(
            "idempotency_key",
            format!("must be at most {MOST_BYTES} printable ASCII characters"),
        ));
    }
    Ok(Some(key).filter(|key| !key.is_empty()))
}
