//! Bytes that several threads look at, in memory that is filled again when none does any more.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read},
    sync::Arc,
};

const CHUNK: usize = 256 << 10;

pub(super) type Chunk = Arc<Vec<u8>>;

/// As many as are looked at at the same time.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    handed_out: VecDeque<Chunk>,
}

impl Chunks {
    /// The next bytes; none at the end.
    pub(super) fn read(&mut self, from: &mut impl Read) -> io::Result<Chunk> {
        let mut bytes = self.free();
        bytes.resize(CHUNK, 0);
        let mut filled = 0;
        while filled < CHUNK {
            match from.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        let chunk = Arc::new(bytes);
        self.handed_out.push_back(chunk.clone());
        Ok(chunk)
    }

    fn free(&mut self) -> Vec<u8> {
        match self.handed_out.pop_front().map(Arc::try_unwrap) {
            Some(Ok(bytes)) => bytes,
            Some(Err(looked_at)) => {
                self.handed_out.push_front(looked_at);
                Vec::new()
            }
            None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_someone_looks_at_stays_and_the_rest_is_filled_again() {
        let bytes: Vec<u8> =
            (0..3 * CHUNK + 5).map(|at| u8::try_from(at / CHUNK).unwrap() + 1).collect();
        let (mut chunks, mut from) = (Chunks::default(), &bytes[..]);
        let first = chunks.read(&mut from).unwrap();
        let second = chunks.read(&mut from).unwrap();
        assert_eq!(chunks.handed_out.len(), 2);
        let place = first.as_ptr();
        drop(first);
        let third = chunks.read(&mut from).unwrap();
        assert_eq!((third.as_ptr(), chunks.handed_out.len()), (place, 2));
        assert!(third.len() == CHUNK && third.iter().all(|byte| *byte == 3));
        let last = chunks.read(&mut from).unwrap();
        assert!(second.iter().all(|byte| *byte == 2), "it is looked at");
        assert_eq!(*last, [4; 5]);
        assert!(chunks.read(&mut from).unwrap().is_empty());
    }
}
