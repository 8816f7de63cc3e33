//! What an upload that was cut off has left, and the small file beside it that says what it was to
//! become: somebody may come back and go on from there.
//!
//! How much there is, the file's own length says, so nothing is written while bytes come, and a
//! daemon that is killed has said all. What a loss of power took out of the middle shows when the
//! whole is hashed, and the upload begins anew.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use super::{
    budget::{BLOCK_BYTES, Budget, Reservation, footprint},
    partial::Partial,
    record::{DISK, RECORD},
};
use crate::job::Owner;

const VERSION: u32 = 1;
const STATE: &str = "partial.json";
/// The longest that was ever written is a quarter of it.
const MOST_STATE_BYTES: u64 = 4096;

/// What a whole is by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    pub size_bytes: u64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    tenant: String,
    project: String,
    digest: String,
    size_bytes: u64,
}

impl Known {
    pub(super) fn store(&self, owner: &Owner, directory: &Path) -> io::Result<()> {
        let Self { digest, size_bytes } = self.clone();
        let Owner { tenant, project } = owner.clone();
        let stored = Stored { version: VERSION, tenant, project, digest, size_bytes };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(directory.join(STATE))?;
        file.write_all(&serde_json::to_vec(&stored)?)
    }

    fn load(directory: &Path) -> io::Result<(Owner, Self)> {
        let wrong = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let path = directory.join(STATE);
        if fs::symlink_metadata(&path)?.len() > MOST_STATE_BYTES {
            return Err(wrong("its state is too long"));
        }
        let Stored { version, tenant, project, digest, size_bytes } =
            serde_json::from_slice(&fs::read(&path)?)?;
        if version != VERSION {
            return Err(wrong("its state is of another version"));
        }
        Ok((Owner { tenant, project }, Self { digest, size_bytes }))
    }

    pub(super) fn remove(directory: &Path) -> io::Result<()> {
        removed(&directory.join(STATE))
    }
}

fn removed(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Stays on the disk when it is dropped, which the end of a daemon does. Field order: the files go
/// before their part of the budget.
#[derive(Debug)]
pub(super) struct Remnant {
    pub(super) partial: Partial,
    pub(super) file: File,
    pub(super) reservation: Reservation,
    pub(super) owner: Owner,
    pub(super) known: Known,
    pub(super) bytes: u64,
    pub(super) left_at: SystemTime,
}

impl Remnant {
    /// What is sent again sooner than it is asked for.
    pub(super) const LEAST_BYTES: u64 = 128 * 1024;

    pub(super) fn new(
        mut partial: Partial,
        file: File,
        mut reservation: Reservation,
        owner: Owner,
        known: Known,
        bytes: u64,
    ) -> Self {
        partial.stay();
        reservation.shrink(Self::footprint_of(bytes));
        Self { partial, file, reservation, owner, known, bytes, left_at: SystemTime::now() }
    }

    /// Of an earlier daemon; an error when there is nothing to go on from.
    pub(super) fn load(mut partial: Partial, budget: &std::sync::Arc<Budget>) -> io::Result<Self> {
        let directory = partial.path();
        let (owner, known) = Known::load(&directory)?;
        let file = OpenOptions::new().read(true).write(true).open(directory.join(DISK))?;
        // It may have been about to become a source: longer, and with a record.
        removed(&directory.join(RECORD))?;
        let bytes = file.metadata()?.len().min(known.size_bytes);
        if bytes < Self::LEAST_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not worth the while"));
        }
        let reservation = budget.charge(Self::footprint_of(bytes));
        partial.stay();
        let left_at = SystemTime::now();
        Ok(Self { partial, file, reservation, owner, known, bytes, left_at })
    }

    pub(super) fn is_of(&self, tenant: &str, known: &Known) -> bool {
        self.owner.tenant == tenant && self.known == *known
    }

    pub(super) fn footprint(&self) -> u64 {
        Self::footprint_of(self.bytes)
    }

    /// Nobody comes back for it.
    pub(super) fn remove(mut self) {
        self.partial.disown();
    }

    fn footprint_of(bytes: u64) -> u64 {
        footprint(bytes).saturating_add(BLOCK_BYTES)
    }
}
