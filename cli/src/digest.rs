//! Digests, as kilnd writes them.

use std::fmt::Write;

use sha2::{Digest, Sha256};

pub(crate) fn digest(hash: Sha256) -> String {
    let mut text = "sha256:".to_owned();
    for byte in hash.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
