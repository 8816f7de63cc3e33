//! SHA-256 of what the host keeps, counted as it passes.

use std::{
    fmt::Write as _,
    io::{self, Read},
};

use sha2::{Digest as _, Sha256};

/// Of holes, at a time.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

#[derive(Clone, Debug, Default)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// All that is left to read; how much it was.
    pub(crate) fn read(&mut self, reader: &mut impl Read) -> io::Result<u64> {
        let mut block = vec![0; 256 << 10];
        let mut count = 0;
        loop {
            match reader.read(&mut block) {
                Ok(0) => return Ok(count),
                Ok(part) => {
                    self.update(&block[..part]);
                    count += part as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What a hole reads as.
    pub(crate) fn zeros(&mut self, mut count: u64) {
        while count > 0 {
            let part = usize::try_from(count).unwrap_or(usize::MAX).min(ZEROS.len());
            self.0.update(&ZEROS[..part]);
            count -= part as u64;
        }
    }

    /// `sha256:` and 64 hex digits.
    pub(crate) fn finish(self) -> String {
        let mut text = String::from("sha256:");
        for byte in self.0.finalize() {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Hasher;

    #[test]
    fn holes_are_zeros_and_the_digest_is_the_known_one() {
        let mut hasher = Hasher::default();
        hasher.update(b"abc");
        let expected = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hasher.finish(), expected);
        let (mut holes, mut bytes) = (Hasher::default(), Hasher::default());
        holes.zeros(200_001);
        bytes.update(&vec![0; 200_001]);
        assert_eq!(holes.finish(), bytes.finish());
    }
}
