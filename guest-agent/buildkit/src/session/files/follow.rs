//! Paths to be sent with whatever symlinks on their way lead to.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use kiln_context::{Ignore, Matched};
use rustix::{
    fs::{CWD, Dir, Mode, OFlags, openat, readlinkat},
    io::Errno,
};

/// Where one cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("cannot follow {}", path.display())]
pub(super) struct FollowError {
    path: PathBuf,
    source: io::Error,
}

/// To patterns, which afterwards say nothing when all of `root` is asked for.
pub(super) fn add(
    root: &Path,
    paths: &[Vec<u8>],
    patterns: &mut Vec<Vec<u8>>,
) -> Result<(), FollowError> {
    let mut follow = Follow { root, found: BTreeSet::new() };
    for path in paths {
        follow.add(path.clone())?;
    }
    // Sorted as they are, whatever stands in another comes behind it.
    let found = shortened(follow.found.into_iter().collect());
    if !found.is_empty() {
        patterns.extend(found);
        *patterns = shortened(std::mem::take(patterns));
    }
    Ok(())
}

struct Follow<'a> {
    root: &'a Path,
    found: BTreeSet<Vec<u8>>,
}

impl Follow<'_> {
    fn add(&mut self, path: Vec<u8>) -> Result<(), FollowError> {
        // Found ones are not followed again, so loops end; on the way there are finitely many.
        let mut waiting = vec![path];
        while let Some(path) = waiting.pop() {
            let parts = parts(&path);
            if parts.is_empty() {
                self.found.insert(b".".to_vec());
                continue;
            }
            for at in 1..=parts.len() {
                let (current, rest) = (parts[..at].join(&b'/'), &parts[at..]);
                let targets = self.targets(&current)?;
                let is_known =
                    (rest.is_empty() || !targets.is_empty()) && !self.found.insert(current.clone());
                if is_known {
                    break;
                }
                if !targets.is_empty() {
                    for target in targets {
                        let rest = rest.join(&b'/');
                        waiting.push([&*target, b"/", &*rest].concat());
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    /// Of the symlink that stands there, or of all that a pattern in its last part names.
    fn targets(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, FollowError> {
        let (above, last) = split(path);
        let mut targets = Vec::new();
        if !has_pattern(last) {
            targets.extend(self.target(path)?);
            return Ok(targets);
        }
        // A pattern that is none names nothing.
        let Ok(pattern) = Ignore::of(&[last.to_vec()]) else { return Ok(targets) };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let wrong = |errno| self.wrong(above, errno);
        let directory = match openat(CWD, self.whole(above), flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(targets),
            Err(errno) => return Err(wrong(errno)),
        };
        for entry in Dir::read_from(directory).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." && pattern.matches(name, &Matched::default()).0 {
                let path =
                    if above.is_empty() { name.to_vec() } else { [above, b"/", name].concat() };
                targets.extend(self.target(&path)?);
            }
        }
        Ok(targets)
    }

    fn target(&self, path: &[u8]) -> Result<Option<Vec<u8>>, FollowError> {
        match readlinkat(CWD, self.whole(path), Vec::new()) {
            Ok(target) => {
                let target = target.into_bytes();
                // One that begins at the root begins at the context's.
                let whole = if target.starts_with(b"/") {
                    target
                } else {
                    [split(path).0, b"/", &*target].concat()
                };
                Ok(Some(whole))
            }
            Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(self.wrong(path, errno)),
        }
    }

    fn whole(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }

    fn wrong(&self, path: &[u8], errno: Errno) -> FollowError {
        FollowError { path: self.whole(path), source: errno.into() }
    }
}

/// None of them leads above the root.
fn parts(path: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

fn has_pattern(name: &[u8]) -> bool {
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'*' | b'?' | b'[' => return true,
            _ => {}
        }
    }
    false
}

/// Without those that stand in the one before; nothing at all where one of them is the root.
fn shortened(paths: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut kept: Vec<Vec<u8>> = Vec::with_capacity(paths.len());
    for path in paths {
        if path == b"." {
            return Vec::new();
        }
        let is_inside = kept.last().is_some_and(|last| {
            path.strip_prefix(last.as_slice()).is_some_and(|below| below.starts_with(b"/"))
        });
        if !is_inside {
            kept.push(path);
        }
    }
    kept
}
