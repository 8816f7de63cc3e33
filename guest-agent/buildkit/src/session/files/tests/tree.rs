//! Directories and patterns by chance.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, path::Path};

use kiln_context::{Ignore, Matched};

/// The same row for the same seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

const NAMES: [&[u8]; 12] = [
    b"a",
    b"b",
    b"a.txt",
    b"a-b",
    b".hidden",
    b"#note",
    b"x y",
    b"\xff",
    b"\xc3\xa4",
    b"[",
    b"a\\b",
    b"\n",
];

/// What is in it, in the engine's order, each with whether it is a directory.
pub(super) struct Tree(Vec<(Vec<u8>, bool)>);

impl Tree {
    pub(super) fn grow(root: &Path, random: &mut Random) -> Self {
        let mut tree = Self(Vec::new());
        tree.fill(root, b"", 0, random);
        tree
    }

    fn fill(&mut self, root: &Path, below: &[u8], depth: usize, random: &mut Random) {
        let mut names: Vec<&[u8]> = (0..random.below(6)).map(|_| random.one(&NAMES)).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let mut path = below.to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            let at = root.join(OsStr::from_bytes(&path));
            let is_directory = depth < 4 && random.below(2) == 0;
            self.0.push((path.clone(), is_directory));
            if is_directory {
                fs::create_dir(at).unwrap();
                self.fill(root, &path, depth + 1, random);
            } else {
                fs::write(at, vec![0; random.below(3) * 50_000]).unwrap();
            }
        }
    }

    /// Some of its paths, as they are or with something general in them.
    pub(super) fn patterns(&self, random: &mut Random, most: usize) -> Vec<String> {
        let mut patterns = Vec::new();
        for _ in 0..random.below(most + 1) {
            let Some((path, _)) = self.0.get(random.below(self.0.len().max(1))) else { continue };
            // Names that need a quote are left to the general ones.
            let Ok(path) = str::from_utf8(path) else { continue };
            if path.contains(['[', '\\', '\n']) {
                continue;
            }
            let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
            let pattern = match random.below(7) {
                0 => format!("{above}/*").trim_start_matches('/').to_owned(),
                1 => format!("**/{last}"),
                2 => format!("{path}/**"),
                3 => format!("!{path}"),
                4 => "*".to_owned(),
                _ => path.to_owned(),
            };
            patterns.push(pattern);
        }
        patterns
    }

    /// Those that are asked for, and the directories that they are in: each looked at, whatever is
    /// known of its directory.
    pub(super) fn matching(&self, include: &[String], exclude: &[String]) -> Vec<Vec<u8>> {
        let of = |patterns: &[String]| {
            let patterns: Vec<Vec<u8>> =
                patterns.iter().map(|pattern| pattern.as_bytes().to_vec()).collect();
            Ignore::of(&patterns).unwrap()
        };
        let matches = |ignore: &Ignore, path: &[u8]| {
            let (mut above, mut is_matched) = (Matched::default(), false);
            let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
            for end in ends.chain([path.len()]) {
                (is_matched, above) = ignore.matches(&path[..end], &above);
            }
            is_matched
        };
        let (included, excluded) = (of(include), of(exclude));
        let is_asked = |path: &[u8]| {
            (include.is_empty() || matches(&included, path)) && !matches(&excluded, path)
        };
        let asked: Vec<&[u8]> =
            self.0.iter().map(|(path, _)| &path[..]).filter(|path| is_asked(path)).collect();
        let is_sent = |path: &[u8]| {
            let holds =
                |one: &&[u8]| one.strip_prefix(path).is_some_and(|rest| rest.starts_with(b"/"));
            asked.contains(&path) || asked.iter().any(holds)
        };
        self.0.iter().map(|(path, _)| path.clone()).filter(|path| is_sent(path)).collect()
    }
}
