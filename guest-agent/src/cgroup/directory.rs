//! One directory of the hierarchy, held open: names are looked up below it, never from `/`.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::fs::{
    Access, AtFlags, CWD, Dir, FileType, Mode, OFlags, accessat, mkdirat, openat, unlinkat,
};

/// More than a fork bomb within the default limit of pids can fill.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// How deep a command may have nested groups of its own, for all that we care.
const MAX_DEPTH: u32 = 16;

#[derive(Debug)]
pub(super) struct Directory(OwnedFd);

impl Directory {
    pub(super) fn open(path: impl rustix::path::Arg) -> io::Result<Self> {
        Ok(Self(openat(CWD, path, Self::flags(), Mode::empty())?))
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub(super) fn make_child(&self, name: &str) -> io::Result<Self> {
        mkdirat(&self.0, name, Mode::from_raw_mode(0o755))?;
        self.child(name)
    }

    pub(super) fn remove_child(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    pub(super) fn has(&self, file: &str) -> bool {
        accessat(&self.0, file, Access::EXISTS, AtFlags::empty()).is_ok()
    }

    pub(super) fn write(&self, file: &str, value: &str) -> io::Result<()> {
        let file = openat(&self.0, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(&file, value.as_bytes())?;
        Ok(())
    }

    pub(super) fn read(&self, file: &str) -> io::Result<String> {
        let file = openat(&self.0, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut text = String::new();
        File::from(file).take(MAX_FILE_BYTES).read_to_string(&mut text)?;
        Ok(text)
    }

    /// The processes here and in the groups below.
    pub(super) fn count_processes(&self) -> io::Result<u32> {
        self.count_to_depth(MAX_DEPTH)
    }

    fn count_to_depth(&self, depth: u32) -> io::Result<u32> {
        // A threaded group does not say; it was asked because it has some.
        let processes = self.read("cgroup.procs").map_or(1, |text| text.lines().count());
        let mut count = u32::try_from(processes).unwrap_or(u32::MAX);
        if depth > 0 {
            for name in self.children()? {
                count = count.saturating_add(self.child(&name)?.count_to_depth(depth - 1)?);
            }
        }
        Ok(count)
    }

    /// Removes the groups that the command has made below its own.
    pub(super) fn remove_children(&self) -> io::Result<()> {
        self.remove_to_depth(MAX_DEPTH)
    }

    fn remove_to_depth(&self, depth: u32) -> io::Result<()> {
        if depth == 0 {
            return Ok(());
        }
        for name in self.children()? {
            self.child(&name)?.remove_to_depth(depth - 1)?;
            self.remove_child(&name)?;
        }
        Ok(())
    }

    fn child(&self, name: &str) -> io::Result<Self> {
        Ok(Self(openat(&self.0, name, Self::flags(), Mode::empty())?))
    }

    fn children(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            if entry.file_type() == FileType::Directory && name != "." && name != ".." {
                names.push(name.into_owned());
            }
        }
        Ok(names)
    }

    fn flags() -> OFlags {
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// Directories of an ordinary file system, where only the kernel's own files are missing.
    fn open(path: &Path) -> Directory {
        Directory::open(path).unwrap()
    }

    #[test]
    fn groups_below_are_counted_and_removed() {
        let root = tempfile::tempdir().unwrap();
        let own = open(root.path()).make_child("exec-1").unwrap();
        own.make_child("a").unwrap().make_child("b").unwrap();
        own.make_child("c").unwrap();
        for (group, processes) in [("", "10\n11\n"), ("a", ""), ("a/b", "12\n"), ("c", "13\n")] {
            fs::write(root.path().join("exec-1").join(group).join("cgroup.procs"), processes)
                .unwrap();
        }
        assert_eq!(own.count_processes().unwrap(), 4);
        for group in ["", "a", "a/b", "c"] {
            fs::remove_file(root.path().join("exec-1").join(group).join("cgroup.procs")).unwrap();
        }
        own.remove_children().unwrap();
        open(root.path()).remove_child("exec-1").unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_group_that_does_not_say_has_one_process() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(open(root.path()).count_processes().unwrap(), 1);
    }
}
