//! The end of what a process wrote: bounded, whatever it writes.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Keeps the last bytes of a stream. Shared by the one who writes and those who look.
#[derive(Clone)]
pub struct Tail {
    ring: Arc<Mutex<Ring>>,
}

struct Ring {
    bytes: VecDeque<u8>,
    capacity: usize,
    dropped: u64,
}

impl Tail {
    pub fn new(capacity: usize) -> Self {
        Self { ring: Arc::new(Mutex::new(Ring { bytes: VecDeque::new(), capacity, dropped: 0 })) }
    }

    /// Takes all of `bytes` in; the oldest make room. Never waits for a reader.
    pub fn push(&self, bytes: &[u8]) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &bytes[bytes.len().saturating_sub(ring.capacity)..];
        let excess = (ring.bytes.len() + kept.len()).saturating_sub(ring.capacity);
        ring.bytes.drain(..excess);
        ring.bytes.extend(kept);
        ring.dropped += (excess + bytes.len() - kept.len()) as u64;
    }

    /// What is kept now, and how many bytes came before it.
    pub fn snapshot(&self) -> (Vec<u8>, u64) {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        (ring.bytes.iter().copied().collect(), ring.dropped)
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, dropped) = self.snapshot();
        write!(formatter, "Tail({} bytes, {dropped} dropped)", bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Tail;

    fn check(capacity: usize, writes: &[&str], expected: &str, dropped: u64) {
        let tail = Tail::new(capacity);
        for write in writes {
            tail.push(write.as_bytes());
        }
        assert_eq!(tail.snapshot(), (expected.as_bytes().to_vec(), dropped));
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
        let tail = Tail::new(64 * 1024);
        for _ in 0..1024 {
            tail.push(&[b'x'; 8192]);
        }
        assert_eq!(tail.snapshot().0.len(), 64 * 1024);
        assert_eq!(tail.snapshot().1, 8192 * 1024 - 64 * 1024);
    }
}
