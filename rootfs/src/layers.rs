//! Layers read once, from the compressed blob to an index of what they hold.
//!
//! `blob → inflate → hash ∥ tar → index`, in a thread each, and several layers at once. What was inflated
//! is spooled as it is, to a file without a name; the index says where in it each file's bytes stand. A
//! layer that is not compressed is not copied: its files stay where they lie. Nothing is kept in memory
//! but the index, and what all layers together may take of disk and memory is counted while they are
//! read.

mod budget;
mod chunk;
mod compression;
mod entry;
mod hash;
mod index;
mod inflate;
mod limits;
mod piped;

use std::{
    io,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use kiln_archive::ReadError;

use self::{budget::Budget, index::Index};
pub use self::{
    budget::OverBudget,
    compression::Compression,
    entry::{Entry, EntryKind, InvalidEntry},
    limits::Limits,
};
use kiln_digest::Digest;

use crate::{
    image::{Extent, LayerBlob},
    store::{Store, StoreId},
};

/// What one layer holds, in its order.
#[derive(Debug)]
pub struct Layer {
    pub entries: Vec<Entry>,
    pub compression: Compression,
    /// Of its tar.
    pub size: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum LayersError {
    #[error("cannot make a place for what is inflated")]
    Spool(#[source] io::Error),
    #[error("layer {number} of {count}")]
    Layer { number: usize, count: usize, source: LayerError },
}

#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    #[error("cannot read it")]
    Read(#[source] io::Error),
    #[error("cannot inflate it: it is no whole {compression}")]
    Inflate { compression: Compression, source: io::Error },
    #[error("cannot spool it")]
    Spool(#[source] io::Error),
    #[error("its tar is not taken")]
    Archive(#[from] ReadError),
    #[error("a member of it is not taken")]
    Entry(#[from] InvalidEntry),
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    #[error("it has the digest {digest}, and should have {expected}")]
    DigestMismatch { digest: Digest, expected: Digest },
    #[error("its tar has the digest {digest}, and should have {expected}")]
    DiffMismatch { digest: Digest, expected: Digest },
}

/// One layer on its way.
#[derive(Clone, Copy, Debug)]
struct Source<'a> {
    blob: &'a LayerBlob,
    compression: Compression,
    store: StoreId,
}

/// Reads all layers, in whatever order, and returns them in theirs. What is inflated is spooled below
/// `directory`, and belongs to `store` then.
pub fn read_layers(
    blobs: &[LayerBlob],
    limits: &Limits,
    directory: &Path,
    store: &mut Store,
) -> Result<Vec<Layer>, LayersError> {
    let count = blobs.len();
    let wrong = |number, source| LayersError::Layer { number: number + 1, count, source };
    let mut sources = Vec::with_capacity(count);
    for (number, blob) in blobs.iter().enumerate() {
        let compression = Compression::of(&blob.extent)
            .map_err(|error| wrong(number, LayerError::Read(error)))?;
        let place = match compression {
            Compression::Plain => blob.extent.file.try_clone(),
            _ => tempfile::tempfile_in(directory),
        };
        let store = store.add_file(place.map_err(LayersError::Spool)?);
        sources.push(Source { blob, compression, store });
    }
    let budget = Budget::new(limits);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(count));
    let workers = thread::available_parallelism().map_or(1, usize::from).min(count);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(source) = sources.get(number) else { return };
                    let layer = read(source, &budget, store);
                    if layer.is_err() {
                        // Nobody needs those that were not begun.
                        next.store(count, Ordering::Relaxed);
                    }
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((number, layer));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(number, layer)| layer.map_err(|error| wrong(number, error))).collect()
}

fn read(source: &Source<'_>, budget: &Budget, store: &Store) -> Result<Layer, LayerError> {
    let Source { blob, compression, store: id } = *source;
    let spool = match compression {
        Compression::Plain => None,
        _ => store.file(id),
    };
    let read = piped::read(source, budget, spool);
    match read {
        Ok(piped::Read { entries, size, blob: digest, diff }) => {
            compare(digest, blob.digest)?;
            if diff != blob.diff {
                return Err(LayerError::DiffMismatch { digest: diff, expected: blob.diff });
            }
            Ok(Layer { entries, compression, size })
        }
        // What is not what it should be need not make sense.
        Err(
            error @ (LayerError::Inflate { .. } | LayerError::Archive(_) | LayerError::Entry(_)),
        ) => {
            let expected = match compression {
                Compression::Plain => Some(blob.diff),
                _ => blob.digest,
            };
            if let Some(expected) = expected {
                compare(hash::of(&blob.extent).map_err(LayerError::Read)?, Some(expected))?;
            }
            Err(error)
        }
        Err(error) => Err(error),
    }
}

fn compare(digest: Digest, expected: Option<Digest>) -> Result<(), LayerError> {
    match expected {
        Some(expected) if expected != digest => {
            Err(LayerError::DigestMismatch { digest, expected })
        }
        _ => Ok(()),
    }
}
