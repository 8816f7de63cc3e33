//! How large blobs are, as far as the manifests that name them have said.

use std::collections::{HashMap, VecDeque};

use crate::{digest::Digest, repository::Repository};

const REMEMBERED: usize = 1 << 16;

/// Of what was seen lately.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    told: HashMap<(Repository, Digest), Told>,
    order: VecDeque<(Repository, Digest)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Size(u64),
    /// Manifests disagree: one of them lies, and nobody knows which.
    Disputed,
}

impl Sizes {
    pub(crate) fn of(&self, repository: &Repository, digest: Digest) -> Option<u64> {
        match self.told.get(&(repository.clone(), digest))? {
            Told::Size(size) => Some(*size),
            Told::Disputed => None,
        }
    }

    pub(crate) fn tell(&mut self, repository: &Repository, digest: Digest, size: u64) {
        let key = (repository.clone(), digest);
        match self.told.get_mut(&key) {
            Some(told) if *told != Told::Size(size) => *told = Told::Disputed,
            Some(_) => {}
            None => {
                if self.order.len() >= REMEMBERED
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.told.remove(&oldest);
                }
                self.order.push_back(key.clone());
                self.told.insert(key, Told::Size(size));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::Space;

    fn repository() -> Repository {
        let space = Space::Mirror { host: "registry.example".parse().unwrap() };
        Repository { space, name: "app".parse().unwrap() }
    }

    #[test]
    fn what_is_disputed_is_not_known() {
        let (mut sizes, digest) = (Sizes::default(), Digest::of(b"layer"));
        assert_eq!(sizes.of(&repository(), digest), None);
        sizes.tell(&repository(), digest, 5);
        sizes.tell(&repository(), digest, 5);
        assert_eq!(sizes.of(&repository(), digest), Some(5));
        sizes.tell(&repository(), digest, 6);
        sizes.tell(&repository(), digest, 5);
        assert_eq!(sizes.of(&repository(), digest), None);
    }

    #[test]
    fn is_bounded() {
        let mut sizes = Sizes::default();
        for number in 0..=REMEMBERED {
            sizes.tell(&repository(), Digest::of(&number.to_le_bytes()), 1);
        }
        assert_eq!((sizes.told.len(), sizes.order.len()), (REMEMBERED, REMEMBERED));
        assert_eq!(sizes.of(&repository(), Digest::of(&0_usize.to_le_bytes())), None);
    }
}
