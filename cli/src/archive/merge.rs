//! Moving a tree that is whole into a directory that may hold another: directories are joined,
//! everything else takes the place of what stood there.

use std::path::Path;

use kiln_archive::shown;
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, renameat, statat},
    io::Errno,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum MergeError {
    #[error("{name}: a directory stands where a file has to go, or the other way round")]
    InTheWay { name: String },
    #[error("cannot move {name} to its place")]
    Io { name: String, source: Errno },
}

/// Both on one file system. `from` is left empty, or as far as an error let it.
pub(crate) fn merge(from: &Path, into: &Path) -> Result<(), MergeError> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let open = |path: &Path| {
        let wrong = |source| MergeError::Io { name: path.display().to_string(), source };
        openat(CWD, path, flags, Mode::empty()).map_err(wrong)
    };
    join(open(from)?.as_fd(), open(into)?.as_fd())
}

/// As deep as the archive was, which is limited.
fn join(from: BorrowedFd<'_>, into: BorrowedFd<'_>) -> Result<(), MergeError> {
    let io = |name: &[u8], source| MergeError::Io { name: shown(name), source };
    for name in names(from).map_err(|source| io(b"", source))? {
        let theirs = match statat(into, &*name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(FileType::from_raw_mode(stat.st_mode)),
            Err(Errno::NOENT) => None,
            Err(source) => return Err(io(&name, source)),
        };
        let ours = statat(from, &*name, AtFlags::SYMLINK_NOFOLLOW);
        let ours = ours.map(|stat| FileType::from_raw_mode(stat.st_mode));
        match (ours.map_err(|source| io(&name, source))?, theirs) {
            (FileType::Directory, Some(FileType::Directory)) => {
                let open = |parent| directory(parent, &name).map_err(|source| io(&name, source));
                join(open(from)?.as_fd(), open(into)?.as_fd())?;
            }
            (FileType::Directory, Some(_)) | (_, Some(FileType::Directory)) => {
                return Err(MergeError::InTheWay { name: shown(&name) });
            }
            // A rename takes the place of a link and does not follow it.
            _ => renameat(from, &*name, into, &*name).map_err(|source| io(&name, source))?,
        }
    }
    Ok(())
}

fn directory(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

pub(super) fn names(directory: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn trees_are_joined_and_links_are_not_followed() {
        let base = tempfile::tempdir().unwrap();
        let at = |path: &str| base.path().join(path);
        for directory in ["from/a/b", "from/new", "into/a/c", "outside"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        for (file, text) in [
            ("from/a/b/file", "new"),
            ("from/a/same", "new"),
            ("from/a/linked", "new"),
            ("into/a/same", "old"),
            ("into/a/c/kept", "old"),
            ("outside/file", "old"),
        ] {
            fs::write(at(file), text).unwrap();
        }
        symlink(at("outside/file"), at("into/a/linked")).unwrap();
        merge(&at("from"), &at("into")).unwrap();
        for (file, text) in [
            ("into/a/b/file", "new"),
            ("into/a/same", "new"),
            ("into/a/linked", "new"),
            ("into/a/c/kept", "old"),
            ("outside/file", "old"),
        ] {
            assert_eq!(fs::read_to_string(at(file)).unwrap(), text, "{file}");
        }
        assert!(at("into/new").is_dir());

        fs::create_dir_all(at("from/a/linked")).unwrap();
        assert!(matches!(merge(&at("from"), &at("into")), Err(MergeError::InTheWay { .. })));
        fs::remove_dir_all(at("from")).unwrap();
        fs::create_dir_all(at("from/door")).unwrap();
        symlink(at("outside"), at("into/door")).unwrap();
        assert!(matches!(merge(&at("from"), &at("into")), Err(MergeError::InTheWay { .. })));
    }
}
