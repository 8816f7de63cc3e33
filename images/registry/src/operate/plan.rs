//! A tar that is nowhere: put together while it is read, and known to the byte before.
//!
//! What is no blob stands in memory; a blob is opened when its turn comes. The same content and the
//! same names give the same bytes, so a part that was read today goes on tomorrow.

use std::{fmt, io, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::OnceCell;

use crate::{
    content::{self, Chunks},
    digest::{Digest, Hasher},
    layout,
    repository::Repository,
    store::{Store, StoreError},
};

/// Cheap to clone.
#[derive(Clone)]
pub struct Plan {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    repository: Repository,
    /// In order, none of them empty.
    pieces: Vec<Piece>,
    size: u64,
    digest: OnceCell<Digest>,
}

struct Piece {
    /// In the tar.
    start: u64,
    length: u64,
    body: Body,
}

enum Body {
    Bytes(Bytes),
    Blob(Digest),
}

/// A file of the tar, in its place.
pub(crate) enum File {
    Directory(&'static str),
    Bytes(String, Bytes),
    Blob(String, Digest, u64),
}

impl Plan {
    pub(crate) fn new(store: Store, repository: Repository, files: Vec<File>) -> Self {
        let mut laying = Laying::default();
        for file in files {
            match file {
                File::Directory(path) => laying.bytes(layout::directory(path)),
                File::Bytes(path, bytes) => {
                    let size = bytes.len() as u64;
                    laying.bytes(layout::file(&path, size));
                    laying.bytes(bytes);
                    laying.bytes(layout::padding(size));
                }
                File::Blob(path, digest, size) => {
                    laying.bytes(layout::file(&path, size));
                    laying.add(size, Body::Blob(digest));
                    laying.bytes(layout::padding(size));
                }
            }
        }
        laying.bytes(layout::END);
        let Laying { pieces, size } = laying;
        let digest = OnceCell::new();
        Self { shared: Arc::new(Shared { store, repository, pieces, size, digest }) }
    }

    pub fn size(&self) -> u64 {
        self.shared.size
    }

    /// All of it, or a part; what of a part lies behind its end is not there.
    pub fn read(&self, part: Option<content::Part>) -> Chunks {
        let size = self.size();
        let part = part.unwrap_or(content::Part { start: 0, length: size });
        let end = part.start.saturating_add(part.length).min(size);
        let shared = Arc::clone(&self.shared);
        let next = shared.pieces.partition_point(|piece| piece.start + piece.length <= part.start);
        let reading = stream::unfold((shared, next), move |(shared, next)| async move {
            let piece = shared.pieces.get(next).filter(|piece| piece.start < end)?;
            let skipped = part.start.saturating_sub(piece.start);
            let length = piece.length.min(end - piece.start) - skipped;
            let opened = shared.open(piece, content::Part { start: skipped, length }).await;
            Some((opened, (shared, next + 1)))
        });
        Box::pin(reading.try_flatten())
    }

    /// Of all of it, which is read the first time that it is asked for.
    pub async fn digest(&self) -> io::Result<Digest> {
        let reading = self.shared.digest.get_or_try_init(|| async {
            let (mut hasher, mut chunks) = (Hasher::default(), self.read(None));
            while let Some(chunk) = chunks.next().await {
                hasher.update(&chunk?);
                // Everything may be in memory: others want to run as well.
                tokio::task::yield_now().await;
            }
            Ok(hasher.finish())
        });
        reading.await.copied()
    }
}

impl Shared {
    async fn open(&self, piece: &Piece, part: content::Part) -> io::Result<Chunks> {
        let content::Part { start, length } = part;
        match &piece.body {
            Body::Bytes(bytes) => {
                let at = |number| usize::try_from(number).unwrap_or(usize::MAX);
                let bytes = bytes.slice(at(start)..at(start + length));
                Ok(Box::pin(stream::once(async { Ok(bytes) })))
            }
            Body::Blob(digest) => {
                let found = self.store.blob(&self.repository, *digest).await;
                let broken = |error: StoreError| io::Error::other(error.to_string());
                match found.map_err(broken)? {
                    Some(blob) if blob.size == piece.length => Ok(blob.chunks(Some(part))),
                    _ => Err(io::Error::other(format!("{digest} was removed meanwhile"))),
                }
            }
        }
    }
}

#[derive(Default)]
struct Laying {
    pieces: Vec<Piece>,
    size: u64,
}

impl Laying {
    fn bytes(&mut self, bytes: Bytes) {
        self.add(bytes.len() as u64, Body::Bytes(bytes));
    }

    fn add(&mut self, length: u64, body: Body) {
        if length > 0 {
            self.pieces.push(Piece { start: self.size, length, body });
            self.size += length;
        }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("size", &self.shared.size).finish_non_exhaustive()
    }
}
