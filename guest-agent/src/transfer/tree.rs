//! A directory that is never left, whatever links are in it: each look-up below it is the kernel's
//! own, which refuses (`EXDEV`) what leads out.

use std::{
    ffi::CString,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    rc::Rc,
};

use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2},
    io::Errno,
};

#[derive(Debug)]
pub(super) struct Tree {
    root: Rc<OwnedFd>,
    resolve: ResolveFlags,
    /// Entries stand beside each other: the directory of the last one.
    last: Option<(Vec<u8>, Rc<OwnedFd>)>,
}

impl Tree {
    /// The directory itself may be reached through links.
    pub(super) fn open(path: &Path, resolve: ResolveFlags) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = Rc::new(openat(CWD, path, flags, Mode::empty())?);
        Ok(Self { root, resolve, last: None })
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// What is at a path below, as `flags` say. A link at its end is followed unless they say not to.
    pub(super) fn open_below(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let flags = flags | OFlags::CLOEXEC;
        loop {
            // The kernel asks for another try when something was renamed meanwhile.
            match openat2(&self.root, path, flags, Mode::empty(), self.resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                opened => return opened,
            }
        }
    }

    /// The directory at a path below; the root's own is empty.
    pub(super) fn directory(&mut self, path: &[u8]) -> Result<Rc<OwnedFd>, Errno> {
        if path.is_empty() {
            return Ok(Rc::clone(&self.root));
        }
        if let Some((last, directory)) = &self.last
            && last == path
        {
            return Ok(Rc::clone(directory));
        }
        let directory = Rc::new(self.open_below(path, OFlags::PATH | OFlags::DIRECTORY)?);
        self.last = Some((path.to_vec(), Rc::clone(&directory)));
        Ok(directory)
    }

    /// The same, made where it is missing.
    pub(super) fn make_directory(&mut self, path: &[u8]) -> Result<Rc<OwnedFd>, Errno> {
        match self.directory(path) {
            Err(Errno::NOENT) => {}
            there => return there,
        }
        let mut above = Rc::clone(&self.root);
        for (end, _) in
            path.iter().enumerate().filter(|(_, byte)| **byte == b'/').chain([(path.len(), &b'/')])
        {
            above = match self.directory(&path[..end]) {
                Err(Errno::NOENT) => {
                    let start = path[..end].iter().rposition(|byte| *byte == b'/');
                    let name = &path[start.map_or(0, |slash| slash + 1)..end];
                    match mkdirat(&above, name, Mode::from_raw_mode(0o755)) {
                        // There and not there: a link to nothing.
                        Err(Errno::EXIST) => return Err(Errno::NOTDIR),
                        made => made?,
                    }
                    self.directory(&path[..end])?
                }
                there => there?,
            };
        }
        Ok(above)
    }

    /// After something that may have been on the way to a directory was replaced.
    pub(super) fn forget_last(&mut self) {
        self.last = None;
    }
}

/// A path below, split where its last directory ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Empty for the root.
    pub(super) directory: Vec<u8>,
    pub(super) name: CString,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidPlace {
    #[error("has an absolute name")]
    Absolute,
    #[error("has .. in its name")]
    Parent,
    #[error("has a NUL byte in its name")]
    Nul,
}

impl Place {
    /// `None` is the root itself.
    pub(super) fn parse(path: &[u8]) -> Result<Option<Self>, InvalidPlace> {
        if path.starts_with(b"/") {
            return Err(InvalidPlace::Absolute);
        }
        let parts = path.split(|byte| *byte == b'/');
        let parts: Vec<&[u8]> = parts.filter(|part| !part.is_empty() && *part != b".").collect();
        if parts.contains(&&b".."[..]) {
            return Err(InvalidPlace::Parent);
        }
        let Some((name, directory)) = parts.split_last() else { return Ok(None) };
        let name = CString::new(*name).map_err(|_| InvalidPlace::Nul)?;
        let directory = directory.join(&b'/');
        if directory.contains(&0) {
            return Err(InvalidPlace::Nul);
        }
        Ok(Some(Self { directory, name }))
    }

    /// The whole of it.
    pub(super) fn path(&self) -> Vec<u8> {
        below(&self.directory, self.name.to_bytes())
    }
}

pub(super) fn below(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn check(path: &str, expected: Result<Option<(&str, &str)>, InvalidPlace>) {
        let place = Place::parse(path.as_bytes());
        let split = |place: Place| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            (text(&place.directory), text(place.name.to_bytes()))
        };
        let expected =
            expected.map(|place| place.map(|(above, name)| (above.to_owned(), name.to_owned())));
        assert_eq!(place.map(|place| place.map(split)), expected, "{path:?}");
    }

    #[test]
    fn names_are_below_or_refused() {
        check("a", Ok(Some(("", "a"))));
        check("./a//b/./c/", Ok(Some(("a/b", "c"))));
        check("...", Ok(Some(("", "..."))));
        check("", Ok(None));
        check("./", Ok(None));
        check("/a", Err(InvalidPlace::Absolute));
        check("a/../b", Err(InvalidPlace::Parent));
        check("..", Err(InvalidPlace::Parent));
        check("a\0/b", Err(InvalidPlace::Nul));
        check("a/b\0", Err(InvalidPlace::Nul));
    }

    #[test]
    fn links_within_are_followed_and_links_out_are_not() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("root");
        fs::create_dir_all(root.join("real")).unwrap();
        for (target, link) in
            [("real", "in"), ("..", "out"), ("/etc", "absolute"), ("real/../..", "far")]
        {
            symlink(target, root.join(link)).unwrap();
        }
        let mut tree = Tree::open(&root, ResolveFlags::BENEATH).unwrap();
        tree.make_directory(b"in/a/b").unwrap();
        assert!(root.join("real/a/b").is_dir());
        for path in [&b"out/x"[..], b"absolute", b"far/root", b"in/../out"] {
            assert_eq!(tree.make_directory(path).unwrap_err(), Errno::XDEV, "{path:?}");
        }
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }
}
