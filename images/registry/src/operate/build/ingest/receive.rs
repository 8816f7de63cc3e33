//! The tar's files: documents and small blobs into memory, the others into the batch.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use futures_util::FutureExt as _;

use super::{IngestError, hash::Hashing};
use crate::{
    content::MAX_MANIFEST_BYTES,
    digest::Digest,
    layout::{Archive, Contents, Entry, File, Held, InvalidLayout, Kind, Packing},
    operate::Tree,
    store::{Batch, LotSource, Part, StoreError, Written},
};

/// Manifests and configurations are, and most layers of toys.
const SMALL_BYTES: u64 = 64 << 10;
/// Of all that are small together; what is over it is written like a large one.
const MOST_SMALL_BYTES: u64 = 16 << 20;
/// Each of them is a file here, or a place in memory, before it is known whether an image needs it.
const MOST_BLOBS: usize = 8192;

pub(super) struct Receiver {
    received: Received,
    hashing: Hashing,
    small_bytes: u64,
}

/// All that the tar held.
pub(super) struct Received {
    pub(super) batch: Batch,
    pub(super) contents: Contents,
    places: HashMap<Digest, Place>,
}

enum Place {
    Memory(Bytes),
    File(Written),
    /// In the store since before.
    Stored,
}

impl Receiver {
    pub(super) fn new(batch: Batch) -> Result<Self, StoreError> {
        let received =
            Received { batch, contents: Contents::default(), places: HashMap::default() };
        Ok(Self { received, hashing: Hashing::begin()?, small_bytes: 0 })
    }

    pub(super) fn receive(&mut self, mut archive: Archive) -> Result<(), IngestError> {
        while let Some(entry) = at_once(archive.next())? {
            let Entry { path, kind } = entry;
            match kind {
                Kind::Directory => {}
                Kind::Link { .. } => return Err(InvalidLayout::Link { path }.into()),
                Kind::File { size } => self.file(path, size, &mut archive)?,
            }
            if self.hashing.is_wrong() {
                break;
            }
        }
        Ok(())
    }

    /// What it needs was taken, and every blob is what its name says.
    pub(super) fn finish(mut self) -> Result<Received, IngestError> {
        self.hashing.finish()?;
        Ok(self.received)
    }

    fn file(&mut self, path: String, size: u64, archive: &mut Archive) -> Result<(), IngestError> {
        let claimed = match File::at(&path) {
            // What else builders put beside a layout is nothing to anybody.
            File::Ignored | File::Blob(None) => return Ok(()),
            File::Document(name) => {
                let document = at_once(archive.whole(MAX_MANIFEST_BYTES as u64))?;
                return Ok(self.received.contents.add_document(name, document)?);
            }
            File::Blob(Some(claimed)) => claimed,
        };
        if self.received.places.contains_key(&claimed) {
            return Err(InvalidLayout::Twice { path }.into());
        }
        if self.received.places.len() == MOST_BLOBS {
            return Err(InvalidLayout::TooManyBlobs { most: MOST_BLOBS }.into());
        }
        let place = self.blob(&path, claimed, size, archive)?;
        self.received.places.insert(claimed, place);
        // How a layer is packed its manifest says.
        let held = Held { size, packing: Packing::Plain };
        Ok(self.received.contents.add_blob(path, claimed, held)?)
    }

    fn blob(
        &mut self,
        path: &str,
        claimed: Digest,
        size: u64,
        archive: &mut Archive,
    ) -> Result<Place, IngestError> {
        if size <= SMALL_BYTES && self.small_bytes + size <= MOST_SMALL_BYTES {
            self.small_bytes += size;
            let bytes = at_once(archive.whole(SMALL_BYTES))?;
            let found = Digest::of(&bytes);
            if found != claimed {
                return Err(InvalidLayout::OtherDigest { path: path.to_owned(), found }.into());
            }
            return Ok(Place::Memory(bytes));
        }
        if self.received.batch.holds(claimed)? {
            while let Some(piece) = at_once(archive.piece())? {
                self.hashing.piece(piece);
            }
            self.hashing.end(path.to_owned(), claimed);
            return Ok(Place::Stored);
        }
        let mut part: Part = self.received.batch.begin(size)?;
        while let Some(piece) = at_once(archive.piece())? {
            self.hashing.piece(piece.clone());
            self.received.batch.write(&mut part, &piece)?;
        }
        self.hashing.end(path.to_owned(), claimed);
        Ok(Place::File(self.received.batch.finish(part)?))
    }
}

impl Received {
    /// Of a manifest or a configuration.
    pub(super) fn small(&self, digest: Digest, most: u64) -> Result<Option<Bytes>, IngestError> {
        let Some(held) = self.contents.blob(digest) else { return Ok(None) };
        if held.size > most {
            let (path, bytes) = (digest.to_string(), held.size);
            return Err(InvalidLayout::TooLarge { path, bytes, most }.into());
        }
        Ok(match self.places.get(&digest) {
            None => None,
            Some(Place::Memory(bytes)) => Some(bytes.clone()),
            Some(Place::File(written)) => Some(written.read()?),
            Some(Place::Stored) => self.batch.stored(digest)?,
        })
    }

    /// What an image needs of it, beside its manifests.
    pub(super) fn kept(
        &self,
        tree: &Tree,
    ) -> Result<BTreeMap<Digest, (u64, LotSource)>, IngestError> {
        let mut kept = BTreeMap::new();
        for blob in &tree.blobs {
            let digest = blob.digest;
            let source = match self.places.get(&digest) {
                None => return Err(InvalidLayout::Missing { digest }.into()),
                Some(Place::Memory(bytes)) => LotSource::Memory(bytes.clone()),
                Some(Place::File(written)) => LotSource::File(written.clone()),
                Some(Place::Stored) => LotSource::Held,
            };
            kept.insert(digest, (blob.size, source));
        }
        Ok(kept)
    }
}

/// Of an archive that never waits: see [`super::disk`].
fn at_once<T>(reading: impl Future<Output = Result<T, InvalidLayout>>) -> Result<T, InvalidLayout> {
    reading.now_or_never().unwrap_or(Err(InvalidLayout::NotATar("it made its reader wait")))
}
