//! Files with several names: the first one carries the content, the others are links to it.

use std::collections::HashMap;

/// What is remembered. Beyond it a further name is a file of its own, with the same content.
const MAX_BYTES: usize = 8 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Links {
    /// By device and inode.
    first: HashMap<(u64, u64), First>,
    bytes: usize,
}

#[derive(Debug)]
struct First {
    path: Box<[u8]>,
    /// Names that were not seen yet.
    left: u64,
}

impl Links {
    /// The file's first name, if this is another one.
    pub(super) fn first_name(
        &mut self,
        file: (u64, u64),
        names: impl Into<u64>,
        path: &[u8],
    ) -> Option<Box<[u8]>> {
        // Its width differs between architectures.
        let names = names.into();
        if names < 2 {
            return None;
        }
        if let Some(first) = self.first.get_mut(&file) {
            first.left = first.left.saturating_sub(1);
            if first.left > 0 {
                return Some(first.path.clone());
            }
            let first = self.first.remove(&file)?;
            self.bytes -= Self::cost(&first.path);
            return Some(first.path);
        }
        if self.bytes + Self::cost(path) <= MAX_BYTES {
            self.bytes += Self::cost(path);
            self.first.insert(file, First { path: path.into(), left: names - 1 });
        }
        None
    }

    fn cost(path: &[u8]) -> usize {
        path.len() + 2 * size_of::<((u64, u64), First)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_names_lead_to_the_first_and_nothing_is_kept_beyond_the_last() {
        let mut links = Links::default();
        let mut check = |file, names: u64, path: &str, expected: Option<&str>| {
            let first = links.first_name((1, file), names, path.as_bytes());
            assert_eq!(first.as_deref(), expected.map(str::as_bytes), "{path}");
            links.first.len()
        };
        assert_eq!(check(1, 1, "alone", None), 0);
        assert_eq!(check(2, 3, "a", None), 1);
        assert_eq!(check(3, 2, "x", None), 2);
        assert_eq!(check(2, 3, "b", Some("a")), 2);
        assert_eq!(check(2, 3, "c", Some("a")), 1);
        // Named anew meanwhile: a file of its own.
        assert_eq!(check(2, 3, "d", None), 2);
        assert_eq!(check(3, 2, "y", Some("x")), 1);
    }

    #[test]
    fn names_that_find_no_room_are_files_of_their_own() {
        let mut links = Links::default();
        let long = vec![b'x'; 4000];
        for inode in 0..10_000 {
            assert_eq!(links.first_name((1, inode), 2_u64, &long), None);
        }
        assert!(links.bytes <= MAX_BYTES);
        assert!(links.first_name((1, 0), 2_u64, b"again").is_some());
        assert!(links.first_name((1, 9_999), 2_u64, b"again").is_none());
    }
}
