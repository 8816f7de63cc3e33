//! How far a pull or a push is, out of many blobs at once.

use std::collections::HashMap;

use kiln_proto::v1;

use crate::{display::size, progress::Progress};

#[derive(Debug, Default)]
pub(super) struct Transfers {
    blobs: HashMap<String, Blob>,
}

#[derive(Clone, Copy, Debug)]
struct Blob {
    done: u64,
    /// 0 where nobody knows.
    total: u64,
    present: bool,
}

impl Transfers {
    pub(super) fn take(&mut self, transfer: v1::Transfer) {
        let v1::Transfer { digest, done_bytes, total_bytes, present } = transfer;
        self.blobs.insert(digest, Blob { done: done_bytes, total: total_bytes, present });
    }

    pub(super) fn show(&self, doing: &str, progress: &Progress) {
        progress.say(format!("{doing}: {}", self.described()));
    }

    fn described(&self) -> String {
        let is_done = |blob: &&Blob| blob.present || (blob.total > 0 && blob.done >= blob.total);
        let complete = self.blobs.values().filter(is_done).count();
        let moving = || self.blobs.values().filter(|blob| !blob.present);
        let done = moving().map(|blob| blob.done).fold(0, u64::saturating_add);
        let total = moving().map(|blob| blob.total.max(blob.done)).fold(0, u64::saturating_add);
        format!("{complete} of {} parts, {} of {}", self.blobs.len(), size(done), size(total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_are_counted_once() {
        let mut transfers = Transfers::default();
        for (digest, done_bytes, total_bytes, present) in [
            ("a", 0, 4096, false),
            ("a", 1024, 4096, false),
            ("b", 0, 1 << 20, true),
            ("c", 512, 512, false),
            ("d", 512, 0, false),
        ] {
            let digest = digest.to_owned();
            transfers.take(v1::Transfer { digest, done_bytes, total_bytes, present });
        }
        assert_eq!(transfers.described(), "2 of 4 parts, 2 KiB of 5 KiB");
    }
}
