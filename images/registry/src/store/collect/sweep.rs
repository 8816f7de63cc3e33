//! Files of blobs that have no row: a crash came between the two.

use std::{fs, sync::Arc};

use super::Collected;
use crate::{
    digest::Digest,
    store::{StoreError, blob, files, inner::Inner},
};

pub(super) fn sweep(inner: &Arc<Inner>) -> Result<Collected, StoreError> {
    let mut collected = Collected::default();
    let blobs = inner.files.blobs();
    for first in 0..=u8::MAX {
        let directory = blobs.join(format!("{first:02x}"));
        let failed = |error| StoreError::io(&directory, error);
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let digest = format!("sha256:{}", name.to_string_lossy()).parse::<Digest>();
            let Ok(digest) = digest else { continue };
            if blob::is_known(inner, digest)? {
                continue;
            }
            // Without the lock it may be on its way in.
            let Some(_lock) = inner.holds.lock_unheld(digest) else { continue };
            if !blob::is_known(inner, digest)? {
                let size = entry.metadata().map_or(0, |metadata| metadata.len());
                files::remove(&entry.path())?;
                collected.add(Collected { blobs: 1, bytes: size });
            }
        }
    }
    Ok(collected)
}
