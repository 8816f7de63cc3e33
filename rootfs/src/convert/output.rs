//! Where a file system goes.

use std::{
    fs::File,
    io::{self, BufWriter, Read as _, Seek as _, Write as _},
    path::Path,
};

use super::{
    Format, Identity, Packing, Recipe,
    checksum::{Following, Hashing},
};
use kiln_digest::Digest;

use crate::{
    ext4::{self, Plan, PlanError, Usage, WriteError},
    store::Store,
    tar::{self, TarError},
    tree::Tree,
};

const CHUNK: usize = 1 << 20;

/// A regular file, or a block device that is large enough.
#[derive(Debug)]
pub struct Output {
    file: File,
}

#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Ext4(#[from] WriteError),
    #[error(transparent)]
    Tar(#[from] TarError),
    #[error("cannot pack it as {packing}")]
    Pack { packing: Packing, source: io::Error },
    #[error("cannot write it to the end")]
    Sync(#[source] io::Error),
    #[error("cannot read back what was written, for its digest")]
    Read(#[source] io::Error),
}

/// What is there now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// Of the output, as it is packed.
    pub(super) bytes: u64,
    pub(super) digest: Digest,
    /// Of an ext4.
    pub(super) usage: Option<Usage>,
}

impl Output {
    pub fn new(file: File) -> Self {
        Self { file }
    }

    /// It is on the disk when this returns.
    pub(super) fn write(
        &self,
        tree: &Tree,
        store: &Store,
        recipe: &Recipe,
        identity: &Identity,
        spool: &Path,
    ) -> Result<Written, OutputError> {
        let written = match &recipe.format {
            Format::Tar => self.tar(tree, store, recipe.packing)?,
            Format::Ext4 { label, size, limit } => {
                let Identity { uuid, hash_seed, made } = *identity;
                let (uuid, hash_seed) = (*uuid.bytes(), *hash_seed.bytes());
                let (label, size, limit) = (label.clone(), *size, *limit);
                let options = ext4::Options { uuid, hash_seed, made, label, size, limit };
                let plan = Plan::of(tree, &options)?;
                let mut written = match recipe.packing {
                    Packing::None => self.bare(&plan, store)?,
                    packing => self.packed(&plan, store, packing, spool)?,
                };
                written.usage = Some(plan.usage());
                written
            }
        };
        self.file.sync_data().map_err(OutputError::Sync)?;
        Ok(written)
    }

    fn tar(&self, tree: &Tree, store: &Store, packing: Packing) -> Result<Written, OutputError> {
        let wrong = |source| OutputError::Pack { packing, source };
        let mut packed = packing.pack(self.hashing()).map_err(wrong)?;
        tar::write(tree, store, &mut packed)?;
        finished(packed.finish().map_err(wrong)?).map_err(wrong)
    }

    fn bare(&self, plan: &Plan<'_>, store: &Store) -> Result<Written, OutputError> {
        let mut following = Following::new(&self.file);
        plan.write_followed(store, &self.file, |front| following.follow(front))?;
        let digest = following.finish().map_err(OutputError::Read)?;
        Ok(Written { bytes: plan.usage().size, digest, usage: None })
    }

    /// An ext4 is not written from its first byte to its last, as what packs it needs it.
    fn packed(
        &self,
        plan: &Plan<'_>,
        store: &Store,
        packing: Packing,
        spool: &Path,
    ) -> Result<Written, OutputError> {
        let wrong = |source| OutputError::Pack { packing, source };
        let mut bare = tempfile::tempfile_in(spool).map_err(wrong)?;
        plan.write(store, &bare)?;
        let mut packed = packing.pack(self.hashing()).map_err(wrong)?;
        bare.rewind().map_err(wrong)?;
        let mut buffer = vec![0; CHUNK];
        loop {
            match bare.read(&mut buffer).map_err(wrong)? {
                0 => break,
                read => packed.write_all(&buffer[..read]).map_err(wrong)?,
            }
        }
        finished(packed.finish().map_err(wrong)?).map_err(wrong)
    }

    fn hashing(&self) -> Hashing<BufWriter<&File>> {
        Hashing::new(BufWriter::with_capacity(CHUNK, &self.file))
    }
}

fn finished(mut hashing: Hashing<BufWriter<&File>>) -> io::Result<Written> {
    hashing.flush()?;
    let (digest, bytes) = hashing.finish();
    Ok(Written { bytes, digest, usage: None })
}
