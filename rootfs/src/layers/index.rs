//! What stands where in a layer's tar.

use kiln_archive::{Dialect, ReadError, Reader};

use super::{Budget, Entry, LayerError, piped::TarSource};
use crate::store::StoreId;

#[derive(Debug)]
pub(super) struct Index<'a> {
    pub(super) budget: &'a Budget,
    pub(super) store: StoreId,
    /// Where in the store the tar begins.
    pub(super) base: u64,
}

impl Index<'_> {
    /// To the end of the source, so that all of it is hashed.
    pub(super) fn read(&self, tar: TarSource<'_>) -> Result<Vec<Entry>, LayerError> {
        let limits = &self.budget.limits;
        let limits = kiln_archive::Limits {
            entries: limits.entries,
            depth: limits.depth,
            bytes: limits.bytes,
            holes: limits.holes,
        };
        let mut reader = Reader::new(tar, Dialect::Layer, limits);
        let mut entries = Vec::new();
        while let Some(member) = reader.next().map_err(wrong)? {
            let entry = Entry::of(member, self.store, self.base + reader.offset())?;
            // A piece is as large as a short name, and the first one counts with its file.
            let pieces = entry.pieces().saturating_sub(1);
            self.budget.hold(1 + pieces, entry.words(), entry.holes())?;
            entries.push(entry);
            reader.step_over(TarSource::advance).map_err(wrong)?;
        }
        Ok(entries)
    }
}

/// Nothing but the spool fails while the tar is read.
fn wrong(error: ReadError) -> LayerError {
    match error {
        ReadError::Io(error) => LayerError::Spool(error),
        error => LayerError::Archive(error),
    }
}
