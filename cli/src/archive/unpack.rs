//! Unpacking an archive of a guest, below one directory and nowhere else.
//!
//! | member | becomes |
//! |---|---|
//! | file, directory | itself, ours; setuid, setgid and sticky bits dropped, the umask applied; directories stay writable for us |
//! | file with holes | the same with holes, none of which is written to |
//! | symbolic link | itself where it cannot lead out of the directory, else left out with a warning; or itself in any case, as [`Links`] says. None is ever a way to another member |
//! | hard link | itself, to a file of the same directory; else an error |
//! | device node, fifo | left out with a warning |
//! | extended attributes, ACLs, owners | dropped |

#[cfg(test)]
pub(super) mod tests;

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use kiln_archive::{
    Dialect, Kind, Limits, Map, Member, MemberPath, ReadError, Reader, Segment, shown,
};
use rustix::{fs::futimens, io::Errno};

use super::tree::{Tree, TreeError, times};

const CHUNK: usize = 64 << 10;

#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("cannot open the directory to unpack into")]
    Root(#[source] Errno),
    #[error("cannot write {path}")]
    Write { path: String, source: io::Error },
}

/// What becomes of symbolic links that may lead out of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// Left out.
    Inside,
    /// Made as they are, like any other: for who asked for the files of a whole system.
    AsTheyAre,
}

/// Directories whose time is set when the archive has left them: what is made in them moves it.
#[derive(Debug, Default)]
struct Open(Vec<(MemberPath, i64)>);

/// Into `directory`, which is there. `warn` hears of what is left out.
pub(crate) fn unpack(
    source: impl Read,
    directory: &Path,
    limits: Limits,
    links: Links,
    mut warn: impl FnMut(String),
) -> Result<(), UnpackError> {
    let tree = Tree::open(directory).map_err(UnpackError::Root)?;
    let mut reader = Reader::new(source, Dialect::Output, limits);
    let mut open = Open::default();
    let mut chunk = vec![0; CHUNK];
    while let Some(member) = reader.next()? {
        open.leave(&tree, Some(&member.path))?;
        let Member { path, kind, size: _, mode, user: _, group: _, modified, attributes: _ } =
            member;
        let (mode, mtime) = (mode & 0o777, modified.whole_seconds());
        match kind {
            Kind::File => {
                let file = tree.file(&path, mode)?;
                write(&file, &mut reader, &path, &mut chunk)?;
                finish(&file, &path, mtime)?;
            }
            Kind::Sparse { map } => {
                let file = tree.file(&path, mode)?;
                write_segments(&file, &mut reader, &path, &map, &mut chunk)?;
                finish(&file, &path, mtime)?;
            }
            Kind::Directory => {
                tree.directory(&path, mode)?;
                open.enter(path, mtime);
            }
            Kind::Symlink { target } if links.keep(&path, &target) => {
                tree.symlink(&path, &target)?;
                tree.set_time(&path, mtime)?;
            }
            Kind::Symlink { target } => {
                let (path, target) = (path.shown(), shown(&target));
                warn(format!("{path} is left out: it may lead out of here, to {target}"));
            }
            Kind::HardLink { target } => tree.hard_link(&path, &target)?,
            Kind::CharacterDevice { .. } => warn(left_out(&path, "a character device")),
            Kind::BlockDevice { .. } => warn(left_out(&path, "a block device")),
            Kind::Fifo => warn(left_out(&path, "a fifo")),
        }
    }
    open.leave(&tree, None)
}

fn left_out(path: &MemberPath, what: &str) -> String {
    format!("{} is left out: it is {what}", path.shown())
}

fn write<R: Read>(
    mut file: &File,
    reader: &mut Reader<R>,
    path: &MemberPath,
    chunk: &mut [u8],
) -> Result<(), UnpackError> {
    loop {
        match reader.read_body(chunk)? {
            0 => return Ok(()),
            read => file.write_all(&chunk[..read]).map_err(|source| wrong(path, source))?,
        }
    }
}

/// The file is one hole of its whole size first, so what its file system cannot take is refused
/// before any data, and only data is ever written.
fn write_segments<R: Read>(
    file: &File,
    reader: &mut Reader<R>,
    path: &MemberPath,
    map: &Map,
    chunk: &mut [u8],
) -> Result<(), UnpackError> {
    file.set_len(map.size).map_err(|source| wrong(path, source))?;
    for &Segment { offset, length } in &map.segments {
        let mut done = 0;
        while done < length {
            let part = usize::try_from(length - done).unwrap_or(usize::MAX).min(chunk.len());
            // All of it, for the reader has made sure that the map has what the member has.
            let read = reader.read_body(&mut chunk[..part])?;
            let written = file.write_all_at(&chunk[..read], offset + done);
            written.map_err(|source| wrong(path, source))?;
            done += read as u64;
        }
    }
    Ok(())
}

fn finish(file: &File, path: &MemberPath, mtime: i64) -> Result<(), UnpackError> {
    futimens(file, &times(mtime)).map_err(|error| wrong(path, error.into()))
}

fn wrong(path: &MemberPath, source: io::Error) -> UnpackError {
    UnpackError::Write { path: path.shown(), source }
}

impl Links {
    fn keep(self, path: &MemberPath, target: &[u8]) -> bool {
        self == Self::AsTheyAre || path.keeps_inside(target)
    }
}

impl Open {
    fn enter(&mut self, path: MemberPath, mtime: i64) {
        if !path.is_root() {
            self.0.push((path, mtime));
        }
    }

    /// Each directory on the stack stands in the one below it, so there are no more than the
    /// archive is deep; one that the archive comes back to later has a newer time.
    fn leave(&mut self, tree: &Tree, next: Option<&MemberPath>) -> Result<(), UnpackError> {
        while let Some((path, mtime)) = self.0.last() {
            let rest = next.and_then(|next| next.bytes().strip_prefix(path.bytes()));
            if rest.is_some_and(|rest| rest.starts_with(b"/")) {
                break;
            }
            tree.set_time(path, *mtime)?;
            self.0.pop();
        }
        Ok(())
    }
}
