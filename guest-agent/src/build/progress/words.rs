//! What the client says beside its reports: the last of it, for one that died without a report.

use std::collections::VecDeque;

use super::mask::{Masked, Secrets};

const KEPT_BYTES: usize = 2048;

/// Without secrets already: of one that is cut in two no half would be found.
#[derive(Debug, Default)]
pub(super) struct Words {
    kept: VecDeque<u8>,
    masked: Masked,
}

impl Words {
    pub(super) fn push(&mut self, secrets: &Secrets, data: &[u8]) {
        let mut plain = Vec::new();
        self.masked.push(secrets, data, &mut plain);
        self.keep(&plain);
    }

    fn keep(&mut self, plain: &[u8]) {
        let plain = &plain[plain.len().saturating_sub(KEPT_BYTES)..];
        let over = (self.kept.len() + plain.len()).saturating_sub(KEPT_BYTES);
        self.kept.drain(..over);
        self.kept.extend(plain);
    }

    pub(super) fn last(mut self, secrets: &Secrets) -> String {
        let mut plain = Vec::new();
        self.masked.flush(secrets, &mut plain);
        self.keep(&plain);
        String::from_utf8_lossy(self.kept.make_contiguous()).trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_without_secrets() {
        let secrets = Secrets::new(vec![b"hunter2".to_vec()]);
        let mut words = Words::default();
        for _ in 0..20_000 {
            words.push(&secrets, b"hunter2 \xff");
        }
        words.push(&secrets, b"\na panic: hunt");
        words.push(&secrets, b"er2\n");
        assert!(words.kept.len() <= KEPT_BYTES);
        let last = words.last(&secrets);
        assert!(last.ends_with("a panic: ***") && !last.contains("hunt"), "{last}");
        assert_eq!(Words::default().last(&secrets), "");
    }
}
