//! A file that grows: an upload's or a download's.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use bytes::Bytes;
use tokio::sync::watch;

use super::{
    StoreError,
    download::Claim,
    files::{self, Mark},
    inner::Inner,
    quota::{Payer, Reservation},
    room,
};
use crate::digest::{Digest, Hasher};

const READ_BYTES: usize = 1 << 20;

/// How far it is, for whoever reads it while it grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) written: u64,
    /// Whole, and the bytes of its digest.
    pub(super) verified: bool,
}

#[derive(Debug)]
pub(super) struct Spool {
    /// The store holds spools itself.
    inner: Weak<Inner>,
    path: PathBuf,
    /// Open while somebody writes.
    file: Option<File>,
    hasher: Hasher,
    /// How much of the file went through the hasher. What was there when it was found has not: it
    /// is read again in the end, as it stands on the disk.
    hashed: u64,
    progress: watch::Sender<Progress>,
    /// It stands where the blob would, without a row, since it could not be taken back.
    is_stranded: bool,
    /// Of the file's name, where others might want it. It goes before the reservation: what is kept
    /// counts twice for a moment rather than not at all.
    _claim: Option<Claim>,
    reservation: Reservation,
}

impl Spool {
    /// Goes on with a file, or begins one. It counts for who pays from here on.
    pub(super) fn open(
        inner: &Arc<Inner>,
        path: &Path,
        payer: Payer,
        claim: Option<Claim>,
    ) -> Result<Self, StoreError> {
        let opened = OpenOptions::new().append(true).create(true).open(path);
        let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
        let (written, file) = opened.map_err(|error| StoreError::io(path, error))?;
        Ok(Self {
            inner: Arc::downgrade(inner),
            path: path.to_owned(),
            file: Some(file),
            hasher: Hasher::default(),
            hashed: 0,
            progress: watch::Sender::new(Progress { written, verified: false }),
            is_stranded: false,
            _claim: claim,
            reservation: inner.flight.reserve(payer, written),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn written(&self) -> u64 {
        self.progress.borrow().written
    }

    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// All of it or nothing.
    pub(super) fn write(&mut self, chunks: &[Bytes]) -> Result<(), StoreError> {
        let length: usize = chunks.iter().map(Bytes::len).sum();
        let before = self.written();
        let inner = self.inner.upgrade().ok_or(StoreError::Closed)?;
        match self.reservation.payer().clone() {
            Payer::Tenant(tenant) => {
                let limit = inner.limits.tenant_bytes;
                self.reservation.grow(length as u64, limit, || inner.charged(&tenant))?;
            }
            Payer::Mirrors => room::take(&inner, &mut self.reservation, length as u64)?,
        }
        drop(inner);
        let mut written = Ok(());
        for chunk in chunks {
            written = self.file().and_then(|mut file| file.write_all(chunk));
            if written.is_err() {
                break;
            }
        }
        if let Err(error) = written {
            self.cut(before)?;
            return Err(StoreError::io(&self.path, error));
        }
        if self.hashed == before {
            for chunk in chunks {
                self.hasher.update(chunk);
            }
            self.hashed += length as u64;
        }
        self.progress.send_modify(|progress| progress.written += length as u64);
        Ok(())
    }

    /// Back to what it was: what is behind was not asked to stay.
    pub(super) fn cut(&mut self, length: u64) -> Result<(), StoreError> {
        if self.hashed > length {
            self.hasher = Hasher::default();
            self.hashed = 0;
        }
        self.progress.send_modify(|progress| progress.written = length);
        self.reservation.change(length);
        self.file()
            .and_then(|file| file.set_len(length))
            .map_err(|error| StoreError::io(&self.path, error))
    }

    /// Of all of it, the rest of which is read.
    pub(super) fn digest(&mut self) -> Result<Digest, StoreError> {
        self.read_rest().map_err(|error| StoreError::io(&self.path, error))?;
        Ok(self.hasher.clone().finish())
    }

    fn read_rest(&mut self) -> io::Result<()> {
        if self.hashed == self.written() {
            return Ok(());
        }
        let file = File::open(&self.path)?;
        let mut buffer = vec![0; READ_BYTES];
        while self.hashed < self.written() {
            let read = file.read_at(&mut buffer, self.hashed)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.hasher.update(&buffer[..read]);
            self.hashed += read as u64;
        }
        Ok(())
    }

    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        self.file().and_then(File::sync_all).map_err(|error| StoreError::io(&self.path, error))
    }

    /// And stored: it counts as that from here on.
    pub(super) fn verified(&mut self) {
        self.reservation.change(0);
        self.progress.send_modify(|progress| progress.verified = true);
    }

    /// Gives the descriptor back until somebody writes again.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// From here it is tried again, and swept where it is not.
    pub(super) fn strand(&mut self, path: &Path) {
        self.close();
        path.clone_into(&mut self.path);
        self.is_stranded = true;
    }

    pub(super) fn remove(&mut self) -> Result<(), StoreError> {
        self.close();
        self.reservation.change(0);
        if self.is_stranded {
            // Another may have made a blob of it by now.
            return Ok(());
        }
        files::remove(&self.path)
    }

    fn file(&mut self) -> io::Result<&File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().append(true).open(&self.path)?,
        };
        Ok(self.file.insert(file))
    }
}

/// The digest of a file as it stands, and its mark before the first byte was read.
pub(super) fn digest_of(path: &Path) -> io::Result<(Digest, u64, Mark)> {
    let mut file = File::open(path)?;
    let mark = files::mark(&file.metadata()?);
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; READ_BYTES];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hasher.finish(), size, mark));
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
}
