//! The tar of what was found: in GNU's format, with pax records for what it has no room for.
//!
//! Names, modes and times to the nanosecond, as the engine's own client would hand them on; every
//! owner is root, as that client makes them. Links stay links, long holes stay holes. The same tree
//! gives the same bytes, so they can be sent from any offset on.

mod chunks;
mod details;
mod head;
mod holes;

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use bytes::Bytes;
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, fstat, openat2},
    io::Errno,
};

use self::{chunks::Chunks, details::Details, head::head};
use crate::{
    path::shown,
    walk::{Kind, Member, Stamp},
};

/// What is handed on at a time.
pub(crate) const CHUNK: usize = 256 << 10;
const BLOCK: u64 = 512;
const END: [u8; 1024] = [0; 1024];

#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error("{path} changed while it was read; is something writing to it?")]
    Changed { path: String },
    /// The other end takes no more.
    #[error("cannot pass the context on")]
    Write(#[source] io::Error),
}

/// Takes the tar, chunk by chunk; `warn` hears of what has no place in it.
pub(crate) fn pack(
    root: BorrowedFd<'_>,
    members: &[Member],
    offset: u64,
    take: &mut dyn FnMut(Bytes) -> io::Result<()>,
    warn: &mut dyn FnMut(String),
) -> Result<(), PackError> {
    let mut chunks = Chunks::new(offset, take);
    for member in members {
        self::member(root, member, &mut chunks, warn)?;
    }
    chunks.write(&END).map_err(PackError::Write)?;
    chunks.finish().map_err(PackError::Write)
}

fn member(
    root: BorrowedFd<'_>,
    member: &Member,
    chunks: &mut Chunks<'_>,
    warn: &mut dyn FnMut(String),
) -> Result<(), PackError> {
    let file = match member.kind {
        Kind::Directory => Some(open(root, member, OFlags::DIRECTORY)?),
        // What took its place meanwhile must not hold us up, as a fifo would.
        Kind::File => Some(open(root, member, OFlags::NONBLOCK)?),
        Kind::Symlink | Kind::HardLink(_) | Kind::Given(_) => None,
    };
    let details = match &file {
        Some(file) => {
            unchanged(file.as_fd(), member)?;
            Details::of_file(file.as_fd(), member, warn).map_err(|error| read(member, error))?
        }
        None if member.kind == Kind::Symlink => Details::of_symlink(root, member)?,
        None => Details::default(),
    };
    chunks.write(&head(member, &details)).map_err(PackError::Write)?;
    match (&member.kind, &file) {
        (Kind::File, Some(file)) => {
            let mut stored = 0;
            for part in details.parts(member.stamp.size) {
                stored += part.length;
                body(file.as_fd(), member, part.offset, part.length, chunks)?;
            }
            // What was read is what was seen.
            unchanged(file.as_fd(), member)?;
            pad(stored, chunks)
        }
        (Kind::Given(bytes), _) => {
            chunks.write(bytes).map_err(PackError::Write)?;
            pad(bytes.len() as u64, chunks)
        }
        _ => Ok(()),
    }
}

fn body(
    file: BorrowedFd<'_>,
    member: &Member,
    offset: u64,
    length: u64,
    chunks: &mut Chunks<'_>,
) -> Result<(), PackError> {
    let skipped = chunks.skip(length);
    let (mut at, mut left) = (offset + skipped, length - skipped);
    while left > 0 {
        let room = chunks.room(left).map_err(PackError::Write)?;
        match rustix::io::pread(file, room, at) {
            Ok(0) => return Err(changed(member)),
            Ok(count) => {
                chunks.filled(count);
                at += count as u64;
                left -= count as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(read(member, error)),
        }
    }
    Ok(())
}

fn pad(length: u64, chunks: &mut Chunks<'_>) -> Result<(), PackError> {
    let padding = usize::try_from(length.next_multiple_of(BLOCK) - length).unwrap_or_default();
    chunks.write(&END[..padding]).map_err(PackError::Write)
}

/// Below the root, whatever has been made of its directories.
fn open(root: BorrowedFd<'_>, member: &Member, flags: OFlags) -> Result<OwnedFd, PackError> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, &*member.path, flags, Mode::empty(), resolve) {
        Ok(file) => Ok(file),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => Err(changed(member)),
        Err(error) => Err(read(member, error)),
    }
}

fn unchanged(file: BorrowedFd<'_>, member: &Member) -> Result<(), PackError> {
    let stat = fstat(file).map_err(|error| read(member, error))?;
    if member.stamp.is_same(&Stamp::of(&stat)) { Ok(()) } else { Err(changed(member)) }
}

fn changed(member: &Member) -> PackError {
    PackError::Changed { path: shown(&member.path) }
}

fn read(member: &Member, error: Errno) -> PackError {
    PackError::Read { path: shown(&member.path), source: error.into() }
}

/// Members that are given whole, as they stand in a tar before others.
pub(crate) fn heads(members: &[Member]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for member in members {
        bytes.extend_from_slice(&head(member, &Details::default()));
        if let Kind::Given(content) = &member.kind {
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
    }
    bytes
}

#[cfg(test)]
pub(crate) fn head_of(member: &Member) -> Vec<u8> {
    head(member, &Details::default())
}
