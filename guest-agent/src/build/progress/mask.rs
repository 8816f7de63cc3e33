//! Secrets, which stand in no text that leaves the guest.
//!
//! What is masked: each value, without the line ends around it; and of a value of several lines each
//! line of at least [`MIN_LINE_BYTES`], without the blanks around it, since a private key comes out
//! line by line with a prefix before each. Both also as Go quotes them, which is how an error shows a
//! command. What is longer than [`PIECE_BYTES`] is masked in pieces of so much: a part of it is masked
//! too, and no more than a piece has ever to be held back. A value under [`MIN_VALUE_BYTES`] is not
//! masked: it stands in everything. Nor is what a step makes of a value: its base64, its hash.

mod patterns;
mod stream;

pub(super) use self::{patterns::Secrets, stream::Masked};

const MASK: &[u8] = b"***";
const MIN_VALUE_BYTES: usize = 4;
const MIN_LINE_BYTES: usize = 8;
const PIECE_BYTES: usize = 64;

impl Secrets {
    /// A text that is whole.
    pub(super) fn text(&self, text: &str) -> String {
        if self.is_empty() {
            return text.to_owned();
        }
        let mut masked = Vec::with_capacity(text.len());
        let mut stream = Masked::default();
        stream.push(self, text.as_bytes(), &mut masked);
        stream.flush(self, &mut masked);
        // A secret may be a part of a letter.
        String::from_utf8_lossy(&masked).into_owned()
    }
}

#[cfg(test)]
mod tests;
