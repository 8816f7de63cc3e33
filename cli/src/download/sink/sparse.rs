//! A new file whose zeros take no room: where there are enough of them in a row nothing is written.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
};

/// What a file system can leave out.
const BLOCK: usize = 4 << 10;

/// `file` is empty.
#[derive(Debug)]
pub(super) struct Sparse<'a> {
    file: &'a mut File,
    length: u64,
    /// At the end, and not written so far.
    zeros: u64,
}

impl<'a> Sparse<'a> {
    pub(super) fn new(file: &'a mut File) -> Self {
        Self { file, length: 0, zeros: 0 }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (zeros, after) = rest.split_at(count(rest, true));
            self.zeros += zeros.len() as u64;
            let (data, after) = after.split_at(count(after, false));
            if !data.is_empty() {
                self.pass_zeros()?;
                self.file.write_all(data)?;
            }
            self.length += (zeros.len() + data.len()) as u64;
            rest = after;
        }
        Ok(())
    }

    /// As long as all that was written to it.
    pub(super) fn finish(self) -> io::Result<()> {
        self.file.set_len(self.length)
    }

    fn pass_zeros(&mut self) -> io::Result<()> {
        let zeros = std::mem::take(&mut self.zeros);
        match usize::try_from(zeros) {
            Ok(few) if few < BLOCK => self.file.write_all(&[0; BLOCK][..few]),
            _ => {
                let distance = i64::try_from(zeros).map_err(io::Error::other)?;
                self.file.seek(SeekFrom::Current(distance)).map(drop)
            }
        }
    }
}

/// How many bytes at the beginning stay together: pieces of a block that are zero, or that are not.
fn count(bytes: &[u8], are_zero: bool) -> usize {
    let pieces = bytes.chunks(BLOCK).take_while(|piece| is_zero(piece) == are_zero);
    pieces.map(<[u8]>::len).sum()
}

fn is_zero(bytes: &[u8]) -> bool {
    // In words, for a compiler makes the most of them.
    let (words, rest) = bytes.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use proptest::prelude::*;

    use super::*;

    fn written(chunks: &[Vec<u8>]) -> (Vec<u8>, u64) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut open = file.reopen().unwrap();
        let mut sparse = Sparse::new(&mut open);
        for chunk in chunks {
            sparse.write(chunk).unwrap();
        }
        sparse.finish().unwrap();
        (std::fs::read(file.path()).unwrap(), file.path().metadata().unwrap().blocks() * 512)
    }

    #[test]
    fn holes_take_no_room_and_the_length_is_kept() {
        let megabyte = vec![0; 1 << 20];
        let chunks = [vec![1; 4096], megabyte.clone(), vec![2; 10], megabyte.clone(), megabyte];
        let (found, room) = written(&chunks);
        assert!(found == chunks.concat());
        assert!(room < 64 << 10, "{room}");
        let (found, room) = written(&[vec![0; 5000]]);
        assert_eq!((found, room), (vec![0; 5000], 0));
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(
            runs in proptest::collection::vec((any::<bool>(), 1_usize..20_000), 0..8),
            cut in 1_usize..9_000,
        ) {
            let bytes: Vec<u8> = runs
                .iter()
                .flat_map(|&(is_zero, length)| std::iter::repeat_n(u8::from(!is_zero), length))
                .collect();
            let chunks: Vec<_> = bytes.chunks(cut).map(<[u8]>::to_vec).collect();
            prop_assert!(written(&chunks).0 == bytes);
        }
    }
}
