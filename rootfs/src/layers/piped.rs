//! One layer's threads, and what they hand to each other.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use super::{
    Budget, Compression, Entry, Index, LayerError, Source,
    chunk::Chunk,
    hash,
    inflate::{self, Stopped},
};
use kiln_digest::Digest;

/// Chunks on their way, to each.
const QUEUE: usize = 4;

#[derive(Debug)]
pub(super) struct Read {
    pub(super) entries: Vec<Entry>,
    pub(super) size: u64,
    pub(super) blob: Digest,
    pub(super) diff: Digest,
}

pub(super) fn read(
    source: &Source<'_>,
    budget: &Budget,
    spool: Option<&File>,
) -> Result<Read, LayerError> {
    let is_plain = source.compression == Compression::Plain;
    thread::scope(|scope| {
        let (to_tar, from_inflate) = sync_channel(QUEUE);
        let (to_hash, parts) = sync_channel(QUEUE);
        let hash = scope.spawn(move || hash::run(&parts, is_plain));
        let inflate = scope.spawn(move || inflate::run(source, budget, &to_tar, &to_hash));
        // Its end of the channel goes with it, so nobody waits for it after an error.
        let indexed = index(source, budget, TarSource::new(from_inflate, spool));
        let inflated = inflate.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let digests = hash.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let size = match (inflated, &indexed) {
            // A tar that ends too early is only what follows of that.
            (Err(Stopped::Failed(error)), _) => return Err(error),
            (Err(Stopped::Gone), _) => 0,
            (Ok(size), _) => size,
        };
        Ok(Read { entries: indexed?, size, blob: digests.0, diff: digests.1 })
    })
}

fn index(
    source: &Source<'_>,
    budget: &Budget,
    tar: TarSource<'_>,
) -> Result<Vec<Entry>, LayerError> {
    let base = match source.compression {
        Compression::Plain => source.blob.extent.offset,
        _ => 0,
    };
    Index { budget, store: source.store, base }.read(tar)
}

/// The tar as it comes out of the other thread, spooled before it is read.
#[derive(Debug)]
pub(super) struct TarSource<'a> {
    chunks: Receiver<Chunk>,
    spool: Option<&'a File>,
    spooled: u64,
    chunk: Chunk,
    at: usize,
}

impl<'a> TarSource<'a> {
    fn new(chunks: Receiver<Chunk>, spool: Option<&'a File>) -> Self {
        Self { chunks, spool, spooled: 0, chunk: Chunk::default(), at: 0 }
    }

    /// What is there of the current chunk; nothing at the end.
    fn rest(&mut self) -> io::Result<&[u8]> {
        if self.at == self.chunk.len() {
            let Ok(chunk) = self.chunks.recv() else { return Ok(&[]) };
            if let Some(spool) = self.spool {
                spool.write_all_at(&chunk, self.spooled)?;
            }
            self.spooled += chunk.len() as u64;
            (self.chunk, self.at) = (chunk, 0);
        }
        Ok(&self.chunk[self.at..])
    }

    /// Passes over bytes that have to be there.
    pub(super) fn advance(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let there = self.rest()?.len();
            if there == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let passed = usize::try_from(count).unwrap_or(usize::MAX).min(there);
            self.at += passed;
            count -= passed as u64;
        }
        Ok(())
    }
}

impl io::Read for TarSource<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.rest()?.read(buffer)?;
        self.at += read;
        Ok(read)
    }
}
