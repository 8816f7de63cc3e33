//! What the tests give the store.

use std::{io, path::Path, pin::Pin, task};

use bytes::Bytes;
use futures_core::Stream;
use kiln_registry::{
    content::Chunks,
    digest::Digest,
    repository::{Repository, Space},
    store::{Described, Limits, Reference, Role, Store, StoreError, StoredBlob},
};

pub(crate) fn open(directory: &Path) -> Store {
    Store::open(directory, Limits::default()).expect("the store opens")
}

/// The large counts.
pub(crate) fn is_full() -> bool {
    std::env::var_os("KILN_FULL").is_some_and(|value| value == "1")
}

pub(crate) fn local(tenant: &str, name: &str) -> Repository {
    let space = Space::Local { tenant: tenant.to_owned() };
    Repository { space, name: name.parse().unwrap() }
}

pub(crate) fn mirror(host: &str, name: &str) -> Repository {
    let space = Space::Mirror { host: host.parse().unwrap() };
    Repository { space, name: name.parse().unwrap() }
}

/// Always the same, of one seed.
pub(crate) fn content(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect::<Vec<_>>().into()
}

struct Pieces(std::collections::VecDeque<io::Result<Bytes>>);

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> task::Poll<Option<Self::Item>> {
        task::Poll::Ready(self.0.pop_front())
    }
}

pub(crate) fn pieces(all: impl IntoIterator<Item = io::Result<Bytes>>) -> Chunks {
    Box::pin(Pieces(all.into_iter().collect()))
}

pub(crate) fn chunks(bytes: &Bytes, size: usize) -> Chunks {
    let count = bytes.len().div_ceil(size);
    pieces(
        (0..count).map(|index| Ok(bytes.slice(index * size..bytes.len().min((index + 1) * size)))),
    )
}

pub(crate) async fn read(mut chunks: Chunks) -> io::Result<Bytes> {
    let mut all = Vec::new();
    while let Some(chunk) = std::future::poll_fn(|context| chunks.as_mut().poll_next(context)).await
    {
        all.extend_from_slice(&chunk?);
    }
    Ok(all.into())
}

pub(crate) async fn whole(blob: &StoredBlob) -> Bytes {
    read(blob.chunks(None)).await.expect("a blob that is stored is read")
}

pub(crate) async fn push(
    store: &Store,
    repository: &Repository,
    bytes: &Bytes,
) -> Result<Digest, StoreError> {
    let digest = Digest::of(bytes);
    let id = store.begin_upload(repository).await?;
    let pushed = match store.append(repository, &id, Some(0), chunks(bytes, 100_000)).await {
        Ok(_) => store.finish_upload(repository, &id, digest).await,
        Err(error) => Err(error),
    };
    if let Err(error) = pushed {
        store.cancel_upload(repository, &id).await?;
        return Err(error);
    }
    Ok(digest)
}

/// Bytes and what they are said to mean: an image of these blobs.
pub(crate) fn image(blobs: &[Digest]) -> (Described, Bytes) {
    let references =
        blobs.iter().map(|digest| Reference { digest: *digest, role: Role::Blob }).collect();
    let names: Vec<_> = blobs.iter().map(ToString::to_string).collect();
    let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
    let bytes = serde_json::json!({ "mediaType": media_type, "layers": names }).to_string();
    (Described { media_type, references, ..Described::default() }, bytes.into())
}

/// How many files there are below it.
pub(crate) fn walk(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { 1 }).sum()
}
