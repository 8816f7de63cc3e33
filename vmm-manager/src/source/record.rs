//! What is known of a source, and the small file beside its bytes that says so.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::{budget, remnant::Known};
use crate::job::{Owner, SourceId};

const VERSION: u32 = 1;
/// The longest that was ever written is a quarter of it.
const MOST_BYTES: u64 = 4096;

pub(super) const DISK: &str = "disk.raw";
pub(super) const RECORD: &str = "record.json";

/// A source that is wholly on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub id: SourceId,
    pub owner: Owner,
    /// Of what was uploaded; the disk is that and zeros up to a whole block.
    pub size_bytes: u64,
    /// `sha256:` and 64 hex digits, of what was uploaded.
    pub digest: String,
    pub uploaded_at: SystemTime,
    /// The raw disk, to be read only.
    pub disk: PathBuf,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    tenant: String,
    project: String,
    size_bytes: u64,
    digest: String,
    uploaded_at_nanos: u64,
}

impl Source {
    pub(super) fn known(&self) -> Known {
        Known { digest: self.digest.clone(), size_bytes: self.size_bytes }
    }

    /// Whether it is this tenant's, and these bytes.
    pub(super) fn is(&self, tenant: &str, known: &Known) -> bool {
        self.owner.tenant == tenant
            && (self.size_bytes, &self.digest) == (known.size_bytes, &known.digest)
    }

    /// Writes the record into the directory, to the disk itself.
    pub(super) fn store(&self, directory: &Path) -> io::Result<()> {
        let Self { id: _, owner, size_bytes, digest, uploaded_at, disk: _ } = self;
        let since = uploaded_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let stored = Stored {
            version: VERSION,
            tenant: owner.tenant.clone(),
            project: owner.project.clone(),
            size_bytes: *size_bytes,
            digest: digest.clone(),
            uploaded_at_nanos: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
        };
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(directory.join(RECORD))?;
        file.write_all(&serde_json::to_vec(&stored)?)?;
        file.sync_all()
    }

    /// What lies in `directory`; an error when that is no whole source.
    pub(super) fn load(directory: &Path, id: SourceId) -> io::Result<Self> {
        let wrong = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let path = directory.join(RECORD);
        if fs::metadata(&path)?.len() > MOST_BYTES {
            return Err(wrong("its record is too long"));
        }
        let Stored { version, tenant, project, size_bytes, digest, uploaded_at_nanos } =
            serde_json::from_slice(&fs::read(&path)?)?;
        if version != VERSION {
            return Err(wrong("its record is of another version"));
        }
        let disk = directory.join(DISK);
        if fs::symlink_metadata(&disk)?.len() != budget::disk_bytes(size_bytes) {
            return Err(wrong("its disk is not as long as its record says"));
        }
        Ok(Self {
            id,
            owner: Owner { tenant, project },
            size_bytes,
            digest,
            uploaded_at: UNIX_EPOCH + Duration::from_nanos(uploaded_at_nanos),
            disk,
        })
    }
}
