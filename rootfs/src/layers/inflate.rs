//! From a layer's blob to its tar, chunk by chunk.

use std::{
    io::{self, BufRead, Read},
    sync::mpsc::SyncSender,
};

use super::{
    Budget, Compression, LayerError, Source,
    chunk::{Chunk, Chunks},
    hash::Part,
};
use crate::image::ExtentReader;

/// What zstd takes by itself: 128 MiB, the most that a frame makes a reader keep.
const WINDOW: u32 = 27;

/// Whoever was to have the chunks has gone, and says why.
#[derive(Debug)]
pub(super) enum Stopped {
    Gone,
    Failed(LayerError),
}

/// Sends what is inflated to both; returns how many bytes that were.
pub(super) fn run(
    source: &Source<'_>,
    budget: &Budget,
    tar: &SyncSender<Chunk>,
    hash: &SyncSender<Part>,
) -> Result<u64, Stopped> {
    let Source { blob, compression, .. } = *source;
    let mut outlet = Outlet { budget, blob: blob.extent.size, size: 0, tar, hash };
    let wrong = |source| Stopped::Failed(LayerError::Inflate { compression, source });
    if compression == Compression::Plain {
        outlet.drain(blob.extent.reader(), |error| Stopped::Failed(LayerError::Read(error)))?;
        return Ok(outlet.size);
    }
    let reader = blob.extent.reader();
    let (chunks, chunk) = (Chunks::default(), Chunk::default());
    let mut inlet = Inlet { reader, chunks, chunk, at: 0, hash };
    match compression {
        Compression::Plain => {}
        // Members that stand one after the other are one stream, as everyone reads them.
        Compression::Gzip => {
            outlet.drain(flate2::bufread::MultiGzDecoder::new(&mut inlet), wrong)?;
        }
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(&mut inlet).map_err(wrong)?;
            decoder.window_log_max(WINDOW).map_err(wrong)?;
            outlet.drain(decoder, wrong)?;
        }
    }
    // Nothing of the blob stays unhashed.
    io::copy(&mut inlet, &mut io::sink()).map_err(wrong)?;
    Ok(outlet.size)
}

struct Outlet<'a> {
    budget: &'a Budget,
    blob: u64,
    size: u64,
    tar: &'a SyncSender<Chunk>,
    hash: &'a SyncSender<Part>,
}

impl Outlet<'_> {
    fn drain(
        &mut self,
        mut from: impl Read,
        wrong: impl Fn(io::Error) -> Stopped,
    ) -> Result<(), Stopped> {
        let mut chunks = Chunks::default();
        loop {
            let chunk = chunks.read(&mut from).map_err(&wrong)?;
            if chunk.is_empty() {
                return Ok(());
            }
            let more = chunk.len() as u64;
            let over = |error| Stopped::Failed(LayerError::OverBudget(error));
            self.budget.inflate(more, self.size, self.blob).map_err(over)?;
            self.size += more;
            self.hash.send(Part::Diff(chunk.clone())).map_err(|_| Stopped::Gone)?;
            self.tar.send(chunk).map_err(|_| Stopped::Gone)?;
        }
    }
}

/// The blob, which is hashed on its way.
struct Inlet<'a> {
    reader: ExtentReader,
    chunks: Chunks,
    chunk: Chunk,
    at: usize,
    hash: &'a SyncSender<Part>,
}

impl BufRead for Inlet<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.chunk.len() {
            self.chunk = self.chunks.read(&mut self.reader)?;
            self.at = 0;
            // The hasher leaves only when everyone else has.
            let _ = self.hash.send(Part::Blob(self.chunk.clone()));
        }
        Ok(&self.chunk[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at = (self.at + count).min(self.chunk.len());
    }
}

impl Read for Inlet<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
