//! A tar that came from somewhere else, in a file without a name.

use std::{fs::File, io, os::unix::fs::FileExt};

use bytes::Bytes;

use crate::{Dockerfile, PackError, pack::CHUNK};

#[derive(Debug)]
pub(crate) struct Spool {
    /// Members that stand before it.
    pub(crate) before: Bytes,
    pub(crate) file: File,
    pub(crate) size: u64,
    pub(crate) dockerfile: Dockerfile,
}

impl Spool {
    pub(crate) fn write_from(
        &self,
        offset: u64,
        take: &mut dyn FnMut(Bytes) -> io::Result<()>,
    ) -> Result<(), PackError> {
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX).min(self.before.len());
        if skipped < self.before.len() {
            take(self.before.slice(skipped..)).map_err(PackError::Write)?;
        }
        let mut at = offset - skipped as u64;
        while at < self.size {
            let left = usize::try_from(self.size - at).unwrap_or(CHUNK).min(CHUNK);
            let mut chunk = vec![0; left];
            self.file.read_exact_at(&mut chunk, at).map_err(|source| PackError::Read {
                path: "what came from stdin".to_owned(),
                source,
            })?;
            at += left as u64;
            take(Bytes::from(chunk)).map_err(PackError::Write)?;
        }
        Ok(())
    }
}
