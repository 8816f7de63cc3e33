//! What exists while a source is made.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    sync::Arc,
    time::SystemTime,
};

use tokio::sync::OwnedSemaphorePermit;

use super::{
    Source, UploadError,
    budget::{Reservation, disk_bytes, footprint},
    partial::Partial,
    record::DISK,
    registry::Shared,
    remnant::{Known, Remnant},
};
use crate::{
    digest::Hasher,
    job::{Owner, SourceId},
};

/// Field order: the files go before their part of the budget.
#[derive(Debug)]
pub(super) struct Making {
    file: File,
    partial: Partial,
    reservation: Reservation,
    shared: Arc<Shared>,
    owner: Owner,
    announced: Option<u64>,
    /// What it is to become, where that is known.
    known: Option<Known>,
    size_bytes: u64,
    hasher: Hasher,
    _place: OwnedSemaphorePermit,
}

impl Making {
    pub(super) fn begin(
        shared: Arc<Shared>,
        owner: Owner,
        announced: Option<u64>,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, UploadError> {
        let size_bytes = announced.unwrap_or(0);
        let reservation = shared.reserve(size_bytes)?;
        let statistics = rustix::fs::statvfs(&shared.directory).map_err(io::Error::from)?;
        if size_bytes > statistics.f_bavail.saturating_mul(statistics.f_frsize) {
            return Err(UploadError::DiskFull);
        }
        let partial = Partial::make(&shared.directory, &SourceId::generate())?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(partial.path().join(DISK))?;
        // Whatever mask we have: a VM's own user reads it, in a root that holds it. Outside, the home
        // is closed to all but us.
        file.set_permissions(Permissions::from_mode(0o644))?;
        Ok(Self {
            file,
            partial,
            reservation,
            shared,
            owner,
            announced,
            known: None,
            size_bytes: 0,
            hasher: Hasher::default(),
            _place: place,
        })
    }

    /// From its beginning.
    pub(super) fn begin_known(
        shared: Arc<Shared>,
        owner: Owner,
        known: Known,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, UploadError> {
        let mut making = Self::begin(shared, owner, Some(known.size_bytes), place)?;
        known.store(&making.owner, &making.partial.path())?;
        making.known = Some(known);
        Ok(making)
    }

    /// From an offset, behind which another upload's bytes are given up.
    pub(super) fn resume(
        shared: Arc<Shared>,
        owner: Owner,
        known: Known,
        offset: u64,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, UploadError> {
        let remnant = shared.take_remnant(&owner.tenant, &known, offset)?;
        if let Err(error) = shared.make_room(known.size_bytes, remnant.footprint()) {
            shared.leave(remnant);
            return Err(error);
        }
        let Remnant { mut partial, mut file, mut reservation, .. } = remnant;
        // From here on it is ours, and goes with us.
        partial.disown();
        if !reservation.grow(footprint(known.size_bytes)) {
            return Err(shared.over_budget(known.size_bytes));
        }
        file.set_len(offset)?;
        let mut hasher = Hasher::default();
        file.seek(SeekFrom::Start(0))?;
        let hashed = hasher.read(&mut file)?;
        if hashed != offset {
            return Err(UploadError::NotThere { offset, kept: hashed });
        }
        Ok(Self {
            file,
            partial,
            reservation,
            shared,
            owner,
            announced: Some(known.size_bytes),
            known: Some(known),
            size_bytes: offset,
            hasher,
            _place: place,
        })
    }

    pub(super) fn write(&mut self, part: &[u8]) -> Result<(), UploadError> {
        let size_bytes = self.size_bytes.saturating_add(part.len() as u64);
        if let Some(announced) = self.announced.filter(|announced| size_bytes > *announced) {
            return Err(UploadError::Longer { announced });
        }
        if !self.reservation.grow(footprint(size_bytes)) {
            self.shared.make_room(size_bytes, footprint(self.size_bytes))?;
            if !self.reservation.grow(footprint(size_bytes)) {
                return Err(self.shared.over_budget(size_bytes));
            }
        }
        self.file.write_all(part)?;
        self.hasher.update(part);
        self.size_bytes = size_bytes;
        Ok(())
    }

    /// It was cut off: what can be gone on from is kept.
    pub(super) fn leave(self) {
        let Self { file, partial, reservation, shared, owner, known, size_bytes, .. } = self;
        if let Some(known) = known.filter(|_| size_bytes >= Remnant::LEAST_BYTES) {
            shared.leave(Remnant::new(partial, file, reservation, owner, known, size_bytes));
        }
    }

    pub(super) fn finish(self) -> Result<Source, UploadError> {
        if let Some(announced) = self.announced.filter(|announced| self.size_bytes < *announced) {
            let arrived = self.size_bytes;
            // To the server, a client that gives up looks like one that has said all.
            self.leave();
            return Err(UploadError::Shorter { announced, arrived });
        }
        let mut sealing = self.seal()?;
        if let Some(same) = sealing.shared.same_as(&sealing.source) {
            return Ok(same);
        }
        for step in Sealing::STEPS {
            step(&mut sealing)?;
        }
        Ok(sealing.publish())
    }

    pub(super) fn seal(self) -> Result<Sealing, UploadError> {
        let Self { file, partial, reservation, shared, owner, known, size_bytes, hasher, .. } =
            self;
        let digest = hasher.finish();
        if known.as_ref().is_some_and(|known| known.digest != digest) {
            return Err(UploadError::Other { arrived: digest });
        }
        let disk = partial.source_path().join(DISK);
        let uploaded_at = SystemTime::now();
        let id = partial.id().clone();
        let source = Source { id, owner, size_bytes, digest, uploaded_at, disk };
        Ok(Sealing { file, partial, reservation, shared, source })
    }
}

/// A source whose bytes have all arrived. Field order as above.
#[derive(Debug)]
pub(super) struct Sealing {
    file: File,
    partial: Partial,
    reservation: Reservation,
    shared: Arc<Shared>,
    source: Source,
}

impl Sealing {
    /// In this order: whatever is named by a later step is on the disk by an earlier one.
    pub(super) const STEPS: [fn(&mut Self) -> io::Result<()>; 7] = [
        |sealing| sealing.file.set_len(disk_bytes(sealing.source.size_bytes)),
        |sealing| sealing.file.sync_all(),
        |sealing| sealing.source.store(&sealing.partial.path()),
        |sealing| Known::remove(&sealing.partial.path()),
        |sealing| sealing.partial.sync(),
        |sealing| sealing.partial.rename(),
        |sealing| sealing.partial.keep(),
    ];

    pub(super) fn publish(self) -> Source {
        let Self { file: _, partial: _, mut reservation, shared, source } = self;
        // One that went on had its state to count too.
        reservation.shrink(footprint(source.size_bytes));
        shared.insert_once(source, reservation)
    }
}
