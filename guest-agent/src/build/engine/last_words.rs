//! The end of what the engine said: all that is kept of its log.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// Its lines are long.
const KEPT_BYTES: usize = 8 * 1024;
/// Of them in an error.
const TOLD_BYTES: usize = 2 * 1024;

#[derive(Debug, Default)]
pub(crate) struct LastWords(Mutex<VecDeque<u8>>);

impl LastWords {
    pub(super) fn hear(&self, data: &[u8]) {
        let data = &data[data.len().saturating_sub(KEPT_BYTES)..];
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = (kept.len() + data.len()).saturating_sub(KEPT_BYTES);
        kept.drain(..over);
        kept.extend(data);
    }

    /// Behind a message; empty when it said nothing.
    pub(super) fn tell(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: &[u8] = kept.make_contiguous();
        let text = String::from_utf8_lossy(&all[all.len().saturating_sub(TOLD_BYTES)..]);
        let clean = |letter: char| if letter.is_control() { ' ' } else { letter };
        let lines: Vec<String> = text
            .lines()
            .map(|line| line.chars().map(clean).collect::<String>().trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect();
        if lines.is_empty() { String::new() } else { format!("; it said: {}", lines.join(" | ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_nothing_else() {
        let words = LastWords::default();
        assert_eq!(words.tell(), "");
        words.hear(&vec![b'x'; 3 * KEPT_BYTES]);
        assert_eq!(words.0.lock().unwrap().len(), KEPT_BYTES);
        words.hear(b"\nfailed to \x1b[31mstart\x1b[0m\n\n  daemon: no\xffroom\n");
        assert_eq!(words.0.lock().unwrap().len(), KEPT_BYTES);
        let told = words.tell();
        assert!(told.ends_with("x | failed to  [31mstart [0m | daemon: no\u{fffd}room"), "{told}");
        assert!(told.len() < TOLD_BYTES + 64);
    }
}
