//! Where the bytes of a tree's files stand until they are written: in layers, in spools of layers, or in
//! memory.

use std::{fs::File, io, os::unix::fs::FileExt as _};

/// One place of a [`Store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreId(u32);

/// Bytes of a file that stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// In the file that they belong to.
    pub at: u64,
    pub length: u64,
    pub store: StoreId,
    /// In the store.
    pub offset: u64,
}

#[derive(Debug)]
enum Place {
    File(File),
    Memory(Box<[u8]>),
}

#[derive(Debug, Default)]
pub struct Store {
    places: Vec<Place>,
}

impl Store {
    pub fn add_file(&mut self, file: File) -> StoreId {
        self.add(Place::File(file))
    }

    pub fn add_bytes(&mut self, bytes: impl Into<Box<[u8]>>) -> StoreId {
        self.add(Place::Memory(bytes.into()))
    }

    fn add(&mut self, place: Place) -> StoreId {
        let id = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(place);
        StoreId(id)
    }

    /// All of `buffer`, from `offset` on.
    pub fn read(&self, store: StoreId, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match &self.places[store.0 as usize] {
            Place::File(file) => file.read_exact_at(buffer, offset),
            Place::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let end = start.saturating_add(buffer.len());
                let bytes = bytes.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
                buffer.copy_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// The file behind a store, for whoever fills it: a spool is a store before all of it is there.
    pub fn file(&self, store: StoreId) -> Option<&File> {
        match &self.places[store.0 as usize] {
            Place::File(file) => Some(file),
            Place::Memory(_) => None,
        }
    }
}
