//! The digest of a file with holes.

use std::{
    fs::File,
    io::{self, Write},
    num::NonZeroU64,
    os::unix::fs::FileExt as _,
};

use rustix::{
    fs::{Advice, SeekFrom, seek},
    io::Errno,
};

use kiln_digest::{Digest, Hasher};

const CHUNK: usize = 1 << 20;
static ZEROS: [u8; CHUNK] = [0; CHUNK];

/// Takes a file's digest while the file is written.
#[derive(Debug)]
pub(super) struct Following<'a> {
    file: &'a File,
    hash: Hasher,
    at: u64,
    buffer: Vec<u8>,
    failed: io::Result<()>,
}

impl<'a> Following<'a> {
    pub(super) fn new(file: &'a File) -> Self {
        let buffer = vec![0; CHUNK];
        Self { file, hash: Hasher::default(), at: 0, buffer, failed: Ok(()) }
    }

    /// Everything before `front` will stay as it is.
    pub(super) fn follow(&mut self, front: u64) {
        if self.failed.is_ok() {
            let from = self.at;
            self.failed = self.hash_to(front);
            self.hurry(from);
        }
    }

    /// Of all that it followed.
    pub(super) fn finish(self) -> io::Result<Digest> {
        self.failed.map(|()| self.hash.finish())
    }

    /// Holes are hashed without being read.
    fn hash_to(&mut self, front: u64) -> io::Result<()> {
        while self.at < front {
            let data = next_data(self.file, self.at)?.unwrap_or(front).min(front);
            zeros(&mut self.hash, data - self.at);
            self.at = data;
            let end = if data < front { next_hole(self.file, data)?.min(front) } else { front };
            while self.at < end {
                let wanted = usize::try_from(end - self.at).unwrap_or(CHUNK).min(CHUNK);
                let chunk = &mut self.buffer[..wanted];
                self.file.read_exact_at(chunk, self.at)?;
                self.hash.update(chunk);
                self.at += wanted as u64;
            }
        }
        Ok(())
    }

    /// Lets the disk begin with what is waited for at the end anyway: what was not written yet, and is not
    /// needed in memory any more, is begun with at once. Where that means nothing, nothing is lost.
    fn hurry(&self, from: u64) {
        // A length of 0 would mean the whole rest of the file.
        let Some(length) = NonZeroU64::new(self.at - from) else { return };
        let _ = rustix::fs::fadvise(self.file, from, Some(length), Advice::DontNeed);
    }
}

fn zeros(hash: &mut Hasher, mut length: u64) {
    while length > 0 {
        let now = usize::try_from(length).unwrap_or(CHUNK).min(CHUNK);
        hash.update(&ZEROS[..now]);
        length -= now as u64;
    }
}

/// A block device has no holes to tell of: all of it is data.
fn next_data(file: &File, at: u64) -> io::Result<Option<u64>> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(data) => Ok(Some(data)),
        Err(Errno::NXIO) => Ok(None),
        Err(Errno::INVAL) => Ok(Some(at)),
        Err(errno) => Err(errno.into()),
    }
}

fn next_hole(file: &File, at: u64) -> io::Result<u64> {
    match seek(file, SeekFrom::Hole(at)) {
        Ok(hole) => Ok(hole),
        Err(Errno::INVAL | Errno::NXIO) => Ok(u64::MAX),
        Err(errno) => Err(errno.into()),
    }
}

/// Hashes and counts what passes through it.
pub(super) struct Hashing<W> {
    out: W,
    hash: Hasher,
    bytes: u64,
}

impl<W> Hashing<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, hash: Hasher::default(), bytes: 0 }
    }

    pub(super) fn finish(self) -> (Digest, u64) {
        (self.hash.finish(), self.bytes)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_count_as_the_zeros_that_they_are() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(5 << 20).unwrap();
        file.write_all_at(b"one", 0).unwrap();
        file.write_all_at(b"two", 3 << 20).unwrap();
        let mut whole = vec![0; 5 << 20];
        file.read_exact_at(&mut whole, 0).unwrap();
        let check = |fronts: &[u64], expected: &[u8]| {
            let mut following = Following::new(&file);
            for front in fronts {
                following.follow(*front);
            }
            assert_eq!(following.finish().unwrap(), Digest::of(expected), "{fronts:?}");
        };
        check(&[5 << 20], &whole);
        check(&[2 << 20], &whole[..2 << 20]);
        check(&[1, 4096, 3 << 20, (3 << 20) + 2, 5 << 20], &whole);
        check(&[], b"");
    }

    #[test]
    fn what_cannot_be_read_has_no_digest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().write_all_at(b"one", 0).unwrap();
        let unreadable = File::options().write(true).open(file.path()).unwrap();
        let mut following = Following::new(&unreadable);
        following.follow(3);
        assert!(following.finish().is_err());
    }
}
