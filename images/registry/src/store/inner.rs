//! What all handles on the store share.

use std::{
    fs::File,
    path::Path,
    sync::{Arc, Mutex, RwLock, atomic::AtomicBool},
    thread,
    time::{Duration, Instant, SystemTime},
};

use rusqlite::Connection;

use super::{
    Limits, StoreError, batch, download::Claims, files::Files, holds::Holds, quota::Flight,
    quota::Payer, readers::Readers, table, touched::Touched, upload::Uploads, writer::Writer,
};
use crate::repository::Space;

const LOCK_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) limits: Limits,
    pub(super) files: Files,
    pub(super) writer: Writer,
    pub(super) readers: Readers,
    pub(super) holds: Arc<Holds>,
    pub(super) flight: Arc<Flight>,
    pub(super) touched: Touched,
    pub(super) uploads: Uploads,
    pub(super) downloads: Claims,
    /// One collection at a time.
    pub(super) collecting: Mutex<()>,
    /// One makes room for what mirrors bring, and others find it.
    pub(super) making_room: Mutex<()>,
    /// What crashes have left was removed.
    pub(super) swept: AtomicBool,
    /// Read by who looks whether something is there, written by who unlinks what nobody has looked
    /// for lately.
    pub(super) looks: RwLock<()>,
    /// No other process opens the store while it is open.
    pub(super) _lock: File,
}

impl Inner {
    pub(super) fn open(directory: &Path, limits: Limits) -> Result<Arc<Self>, StoreError> {
        let files = Files::open(directory)?;
        let lock = lock(&files.lock())?;
        let writer = Writer::open(&files.database())?;
        let readers = Readers::open(&files.database())?;
        let inner = Arc::new(Self {
            limits,
            files,
            writer,
            readers,
            holds: Arc::default(),
            flight: Arc::default(),
            touched: Touched::default(),
            uploads: Uploads::default(),
            downloads: Claims::default(),
            collecting: Mutex::default(),
            making_room: Mutex::default(),
            swept: AtomicBool::default(),
            looks: RwLock::default(),
            _lock: lock,
        });
        batch::clear(&inner)?;
        Uploads::find(&inner)?;
        Claims::find(&inner)?;
        Ok(inner)
    }

    /// Of a tenant's own repositories, with what their rows take.
    pub(super) fn charged(&self, tenant: &str) -> Result<u64, StoreError> {
        let space = Space::Local { tenant: tenant.to_owned() };
        self.readers.read(|connection| charged(connection, &space))
    }

    /// What is written has to be within the quota where it takes more than before, rows included.
    /// Otherwise its transaction is rolled back.
    pub(super) fn within<T>(
        &self,
        connection: &Connection,
        space: &Space,
        write: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let before = charged(connection, space)?;
        let written = write()?;
        if charged(connection, space)? > before {
            self.admit(connection, space, 0)?;
        }
        Ok(written)
    }

    /// Whether a tenant may have so much more, asked within the transaction that gives it. Room for
    /// what mirrors bring is made before.
    pub(super) fn admit(
        &self,
        connection: &Connection,
        space: &Space,
        bytes: u64,
    ) -> Result<(), StoreError> {
        let payer = Payer::of(space);
        if payer == Payer::Mirrors {
            return Ok(());
        }
        let limit = self.limits.tenant_bytes;
        let flying = self.flight.of(&payer);
        let wanted = charged(connection, space)?.saturating_add(flying).saturating_add(bytes);
        if wanted > limit {
            return Err(payer.full(limit, wanted));
        }
        Ok(())
    }

    /// Whether a tenant may have what it is charged for now, with all that is in flight but `own`.
    pub(super) fn admit_beside(
        &self,
        connection: &Connection,
        space: &Space,
        own: u64,
    ) -> Result<(), StoreError> {
        let payer = Payer::of(space);
        let limit = self.limits.tenant_bytes;
        let flying = self.flight.of(&payer).saturating_sub(own);
        let wanted = charged(connection, space)?.saturating_add(flying);
        if wanted > limit { Err(payer.full(limit, wanted)) } else { Ok(()) }
    }
}

pub(super) fn charged(connection: &Connection, space: &Space) -> Result<u64, StoreError> {
    match table::account(connection, space)? {
        Some(account) => Ok(table::charged(connection, account)?),
        None => Ok(0),
    }
}

/// Waits for a moment: a program that was begun as another process went down has its descriptors
/// until it is really begun.
fn lock(path: &Path) -> Result<File, StoreError> {
    let failed = |error| StoreError::io(path, error);
    let file =
        File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(StoreError::InUse { path: path.to_owned() });
            }
            Err(error) => return Err(failed(error.into())),
        }
    }
}

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn time(milliseconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(table::unsigned(milliseconds))
}
