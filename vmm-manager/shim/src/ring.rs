//! The end of a stream: bounded, whatever is written.

use std::collections::VecDeque;

#[derive(Debug)]
pub struct Ring {
    bytes: VecDeque<u8>,
    capacity: usize,
    dropped: u64,
}

impl Ring {
    pub fn new(capacity: usize) -> Self {
        Self { bytes: VecDeque::new(), capacity, dropped: 0 }
    }

    /// Takes all of `bytes` in; the oldest make room. Never waits for a reader.
    pub fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(self.capacity)..];
        let excess = (self.bytes.len() + kept.len()).saturating_sub(self.capacity);
        self.bytes.drain(..excess);
        self.bytes.extend(kept);
        self.dropped += (excess + bytes.len() - kept.len()) as u64;
    }

    /// What is kept now.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.iter().copied().collect()
    }

    /// How many bytes were ever taken in.
    pub fn written(&self) -> u64 {
        self.dropped + self.bytes.len() as u64
    }

    /// How many bytes came before it.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;

    fn check(capacity: usize, writes: &[&str], expected: &str, dropped: u64) {
        let mut ring = Ring::new(capacity);
        for write in writes {
            ring.push(write.as_bytes());
        }
        assert_eq!((ring.bytes(), ring.dropped()), (expected.as_bytes().to_vec(), dropped));
    }

    #[test]
    fn the_end_is_kept_and_the_rest_counted() {
        check(4, &[], "", 0);
        check(4, &["abcd"], "abcd", 0);
        check(4, &["ab", "cde"], "bcde", 1);
        check(4, &["ab", "cdefghij"], "ghij", 6);
        check(4, &["abcd", ""], "abcd", 0);
        check(0, &["abc"], "", 3);
    }

    #[test]
    fn a_flood_takes_no_more_than_its_room() {
        let mut ring = Ring::new(64 * 1024);
        for _ in 0..1024 {
            ring.push(&[b'x'; 8192]);
        }
        assert_eq!(ring.bytes().len(), 64 * 1024);
        assert!(ring.bytes.capacity() <= 128 * 1024);
        assert_eq!(ring.dropped(), 8192 * 1024 - 64 * 1024);
    }
}
