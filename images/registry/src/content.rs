//! What is served: whole in memory, or as a stream.

use std::{io, pin::Pin};

use bytes::Bytes;
use futures_core::Stream;

use crate::{digest::Digest, record::Origin};

/// Larger ones are refused, wherever they come from.
pub const MAX_MANIFEST_BYTES: usize = 4 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub digest: Digest,
    pub media_type: String,
    pub bytes: Bytes,
    pub origin: Origin,
}

pub type Chunks = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A blob, or a part of one.
pub struct Blob {
    pub digest: Digest,
    /// Of all of it.
    pub size: u64,
    pub origin: Origin,
    /// From its first byte that was asked for to the last. Ends with an error, and so a connection that
    /// breaks, where the bytes turn out not to be those of the digest.
    pub chunks: Chunks,
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { digest, size, origin, chunks: _ } = self;
        f.debug_struct("Blob")
            .field("digest", digest)
            .field("size", size)
            .field("origin", origin)
            .finish_non_exhaustive()
    }
}

/// Bytes of a blob, both ends included in neither or both: from `start`, so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub start: u64,
    pub length: u64,
}
