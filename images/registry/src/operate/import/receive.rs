//! Each file of a tar into the store, hashed on its way.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::mpsc;

use super::super::OperateError;
use crate::{
    content::MAX_MANIFEST_BYTES,
    digest::{Digest, Hasher},
    layout::{Archive, Contents, File, Held, InvalidLayout, Kind, Packing},
    repository::Repository,
    store::{Store, UploadId},
};

/// Pieces between the tar and the disk.
const AHEAD: usize = 4;

pub(super) struct Receiver<'a> {
    store: &'a Store,
    into: &'a Repository,
    contents: Contents,
}

/// What came of a file.
struct Received {
    digest: Digest,
    held: Held,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(store: &'a Store, into: &'a Repository) -> Self {
        Self { store, into, contents: Contents::default() }
    }

    pub(super) fn finish(self) -> Contents {
        self.contents
    }

    pub(super) async fn receive(&mut self, mut archive: Archive) -> Result<(), OperateError> {
        while let Some(entry) = archive.next().await? {
            match entry.kind {
                Kind::Directory => {}
                Kind::Link { to } => self.contents.add_link(entry.path, to),
                Kind::File { .. } => self.file(entry.path, &mut archive).await?,
            }
        }
        Ok(())
    }

    async fn file(&mut self, path: String, archive: &mut Archive) -> Result<(), OperateError> {
        let claimed = match File::at(&path) {
            File::Ignored => return Ok(()),
            File::Document(name) => {
                let document = archive.whole(MAX_MANIFEST_BYTES as u64).await?;
                return Ok(self.contents.add_document(name, document)?);
            }
            File::Blob(claimed) => claimed,
        };
        let upload = self.store.begin_upload(self.into).await?;
        let received = match self.pour(&upload, archive).await {
            Ok(received) if claimed.is_none_or(|claimed| claimed == received.digest) => received,
            Ok(Received { digest: found, .. }) => {
                self.store.cancel_upload(self.into, &upload).await?;
                return Err(InvalidLayout::OtherDigest { path, found }.into());
            }
            Err(error) => {
                self.store.cancel_upload(self.into, &upload).await?;
                return Err(error);
            }
        };
        let Received { digest, held } = received;
        self.store.finish_upload(self.into, &upload, digest).await?;
        Ok(self.contents.add_blob(path, digest, held)?)
    }

    async fn pour(
        &self,
        upload: &UploadId,
        archive: &mut Archive,
    ) -> Result<Received, OperateError> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let appending = self.store.append(self.into, upload, None, Box::pin(Pieces(receiver)));
        let (read, appended) = tokio::join!(read(archive, sender), appending);
        let size = appended?;
        let (digest, beginning) = read?;
        Ok(Received { digest, held: Held { size, packing: Packing::of(&beginning) } })
    }
}

/// Its digest and its first bytes. Ends early where nobody takes the pieces.
async fn read(
    archive: &mut Archive,
    pieces: mpsc::Sender<io::Result<Bytes>>,
) -> Result<(Digest, Vec<u8>), InvalidLayout> {
    let (mut hasher, mut beginning) = (Hasher::default(), Vec::new());
    while let Some(piece) = archive.piece().await? {
        hasher.update(&piece);
        let more = Packing::MAGIC_BYTES - beginning.len();
        beginning.extend_from_slice(&piece[..more.min(piece.len())]);
        if pieces.send(Ok(piece)).await.is_err() {
            break;
        }
    }
    Ok((hasher.finish(), beginning))
}

struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
