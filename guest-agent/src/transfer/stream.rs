//! From a pipe to a disk, while somebody writes.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{Carried, failure::Failure, pack::Disk, progress::Progress};

const COPY_BYTES: usize = 256 * 1024;
const WHAT: &str = "what is written";

/// Our hold on the writers' end. What came is whole only if whoever has it says so.
#[derive(Debug)]
pub(crate) struct Stream {
    _write: OwnedFd,
    whole: Arc<AtomicBool>,
}

#[derive(Debug)]
pub(super) struct Source {
    read: OwnedFd,
    whole: Arc<AtomicBool>,
}

pub(super) fn new(read: OwnedFd, write: OwnedFd) -> (Source, Stream) {
    let whole = Arc::new(AtomicBool::new(false));
    (Source { read, whole: Arc::clone(&whole) }, Stream { _write: write, whole })
}

impl Stream {
    /// Nothing more comes from here.
    pub(crate) fn end(self, whole: bool) {
        // The reader looks after it has seen the pipe's end, which comes with our drop.
        self.whole.store(whole, Ordering::Release);
    }
}

impl Source {
    pub(super) fn carry(self, device: Result<PathBuf, Failure>, progress: &Progress) -> Carried {
        let Self { read, whole } = self;
        let mut pipe = File::from(read);
        let carried = device.and_then(|device| copy(&mut pipe, &device, &whole, progress));
        let left = carried.is_err().then(|| OwnedFd::from(pipe));
        (carried, left)
    }
}

fn copy(
    pipe: &mut File,
    device: &Path,
    whole: &AtomicBool,
    progress: &Progress,
) -> Result<u64, Failure> {
    let mut disk = Disk::open(device, progress)?;
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) if whole.load(Ordering::Acquire) => return disk.finish(),
            Ok(0) => return Err(Failure::Unfinished),
            Ok(read) => {
                disk.write_all(&buffer[..read]).map_err(|error| disk.failure(WHAT, error))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Failure::Agent { what: "read a pipe", source }),
        }
    }
}
