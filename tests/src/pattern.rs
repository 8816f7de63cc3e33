//! Bytes that arrive intact or are seen not to.

use sha2::{Digest as _, Sha256};

use crate::Dice;

/// Bytes without a pattern that are the same at each run.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    Dice::new(seed).bytes(length)
}

/// SHA-256 as `sha256sum` prints it.
pub fn digest(bytes: &[u8]) -> String {
    let hexadecimal = |byte: &u8| {
        [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default())
    };
    Sha256::digest(bytes).iter().flat_map(hexadecimal).collect()
}

/// Checks what `seq 1 N` prints while it arrives: no place in it is like another, so a byte that is
/// lost, doubled or moved is found, and named, without the whole ever being held.
#[derive(Debug, Default)]
pub struct Counting {
    number: u64,
    expected: Vec<u8>,
    seen: u64,
}

impl Counting {
    /// `Err` names the first place that is not as it was sent.
    pub fn check(&mut self, mut bytes: &[u8]) -> anyhow::Result<()> {
        use std::io::Write as _;
        while !bytes.is_empty() {
            while self.expected.len() < bytes.len().min(1 << 16) {
                self.number += 1;
                writeln!(self.expected, "{}", self.number)?;
            }
            let length = bytes.len().min(self.expected.len());
            let same = bytes[..length] == self.expected[..length];
            anyhow::ensure!(same, "the {length} bytes from {} on are not as they were", self.seen);
            self.seen += length as u64;
            self.expected.drain(..length);
            bytes = &bytes[length..];
        }
        Ok(())
    }

    /// How many bytes arrived.
    pub fn seen(&self) -> u64 {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(last: u32) -> String {
        (1..=last).flat_map(|number| [number.to_string(), "\n".to_owned()]).collect()
    }

    #[test]
    fn counting_is_what_seq_prints() {
        let text = seq(50_000);
        for size in [1, 7, 4096, 1 << 20] {
            let mut counting = Counting::default();
            for piece in text.as_bytes().chunks(size) {
                counting.check(piece).unwrap();
            }
            assert_eq!(counting.seen(), text.len() as u64);
        }
    }

    #[test]
    fn a_lost_byte_is_found() {
        let text = seq(50_000);
        let mut bytes = text.into_bytes();
        bytes.remove(123_456);
        assert!(Counting::default().check(&bytes).is_err());
    }

    #[test]
    fn noise_repeats_itself_and_its_digest() {
        assert_eq!(digest(&noise(7, 1000)), digest(&noise(7, 1000)));
        assert_ne!(digest(&noise(7, 1000)), digest(&noise(8, 1000)));
        assert!(digest(b"").starts_with("e3b0c44298fc1c14"));
    }
}
