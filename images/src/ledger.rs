//! What a tree consists of, entry by entry: so that two that should be equal can say where they
//! are not.

use std::collections::BTreeMap;

use crate::digest::Digest;

/// The digest of each entry's facts and content, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger(BTreeMap<String, Digest>);

impl Ledger {
    pub(crate) fn enter(&mut self, path: String, digest: Digest) {
        self.0.insert(path, digest);
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The paths that are in one only, or not the same in both.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let changed = self.0.iter().filter(|(path, digest)| other.0.get(*path) != Some(digest));
        let added = other.0.keys().filter(|path| !self.0.contains_key(*path));
        changed.map(|(path, _)| path).chain(added).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_from_both_sides() {
        let ledger = |entries: &[(&str, &str)]| {
            let mut ledger = Ledger::default();
            for (path, content) in entries {
                ledger.enter((*path).to_owned(), Digest::of(content.as_bytes()));
            }
            ledger
        };
        let one = ledger(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let other = ledger(&[("a", "1"), ("b", "2"), ("d", "1")]);
        assert_eq!(one.differences(&other), ["b", "c", "d"]);
        assert!(one.differences(&one).is_empty());
    }
}
