//! What goes to and from disks: sources in, outputs out.
//!
//! ```text
//! order ──▶ known by its disk ──▶ a thread: find, open, carry ──▶ end, for the guest's life
//!                  ▲                                                    │
//!                  └─────────── whoever asks again follows ◀────────────┘
//! ```
//!
//! Each disk is carried once, whatever becomes of who asked: the thread goes on without listeners, and
//! its end is told to everyone who asks after it. A disk carries a raw stream from its first byte on:
//! a tar of a directory, or the bytes of one file or of a pipe.

mod attributes;
mod failure;
mod order;
mod pack;
mod progress;
mod stream;
mod tree;
mod unpack;

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use tokio::sync::watch;

use self::{failure::Failure, progress::Progress};
pub(crate) use self::{
    failure::Refused,
    order::{Format, InvalidOrder, Order, Task},
    stream::Stream,
};
use crate::disks::{Disks, NoDisk};

/// More than a VM has disks.
const MAX_DISKS: usize = 64;
/// Walking and copying keep their data on the heap; the archive's reader keeps some on the stack.
const STACK_BYTES: usize = 512 * 1024;

/// How much was carried, or why it was not.
pub(crate) type End = Result<u64, Refused>;

/// How it ended, and a pipe that still has to be emptied.
type Carried = (Result<u64, Failure>, Option<OwnedFd>);

pub(crate) struct Transfers {
    disks: Arc<dyn Disks>,
    /// By serial number.
    known: Mutex<HashMap<String, Known>>,
}

struct Known {
    task: Task,
    following: Following,
}

/// One disk's transfer as it is seen from outside.
#[derive(Clone, Debug)]
pub(crate) struct Following {
    progress: Arc<Progress>,
    end: watch::Receiver<Option<End>>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum NotBegun {
    #[error("disk {0:?} was asked for something else before")]
    Different(String),
    #[error("{MAX_DISKS} disks were carried already")]
    TooMany,
}

impl Transfers {
    pub(crate) fn new(disks: Arc<dyn Disks>) -> Self {
        Self { disks, known: Mutex::default() }
    }

    /// Begins what was not begun before.
    pub(crate) fn follow(&self, order: Order) -> Result<Following, NotBegun> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = known.get(&order.disk) {
            return if before.task == order.task {
                Ok(before.following.clone())
            } else {
                Err(NotBegun::Different(order.disk))
            };
        }
        let task = order.task.clone();
        let carry = move |device: &Path, progress: &Progress| match task {
            Task::Unpack { length, format, path } => {
                unpack::unpack(device, length, format, &path, progress)
            }
            Task::Pack { format, path } => pack::pack(device, format, &path, progress),
        };
        self.enter(&mut known, order, move |device, progress| {
            (device.map_err(Failure::from).and_then(|device| carry(&device, progress)), None)
        })
    }

    /// Carries what comes out of a pipe to a disk that nothing was carried to or from. Whoever asks for
    /// `order` afterwards is told of this. It ends when every holder of `write` has let go of it.
    pub(crate) fn stream(
        &self,
        order: Order,
        read: OwnedFd,
        write: OwnedFd,
    ) -> Result<(Following, Stream), NotBegun> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(&order.disk) {
            return Err(NotBegun::Different(order.disk));
        }
        let (source, stream) = stream::new(read, write);
        let following = self.enter(&mut known, order, move |device, progress| {
            source.carry(device.map_err(Failure::from), progress)
        })?;
        Ok((following, stream))
    }

    fn enter(
        &self,
        known: &mut HashMap<String, Known>,
        order: Order,
        carry: impl FnOnce(Result<PathBuf, NoDisk>, &Progress) -> Carried + Send + 'static,
    ) -> Result<Following, NotBegun> {
        let Order { disk, task } = order;
        if known.len() >= MAX_DISKS {
            return Err(NotBegun::TooMany);
        }
        let following = self.begin(disk.clone(), carry);
        known.insert(disk, Known { task, following: following.clone() });
        Ok(following)
    }

    fn begin(
        &self,
        disk: String,
        carry: impl FnOnce(Result<PathBuf, NoDisk>, &Progress) -> Carried + Send + 'static,
    ) -> Following {
        let progress = Arc::new(Progress::default());
        let (told, end) = watch::channel(None);
        let disks = Arc::clone(&self.disks);
        let counted = Arc::clone(&progress);
        let thread = thread::Builder::new().name(format!("disk {disk}")).stack_size(STACK_BYTES);
        let tell = told.clone();
        let spawned = thread.spawn(move || {
            let (end, left) = carry(disks.find(&disk), &counted);
            tell.send_replace(Some(end.map_err(|failure| Refused::from(&failure))));
            // Whoever writes is not held up by what nobody takes any more.
            if let Some(left) = left {
                let _ = io::copy(&mut File::from(left), &mut io::sink());
            }
        });
        if let Err(source) = spawned {
            let failure = Failure::Agent { what: "start a thread", source };
            told.send_replace(Some(Err(Refused::from(&failure))));
        }
        Following { progress, end }
    }
}

impl Following {
    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.progress.bytes()
    }

    /// Resolves at the end.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn end(&mut self) -> End {
        match self.end.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(end)) => end.clone(),
            // Every way out of the thread tells the end, but for a panic.
            Ok(None) | Err(_) => {
                let source = io::Error::other("the thread panicked");
                Err(Refused::from(&Failure::Agent { what: "carry the disk", source }))
            }
        }
    }
}

#[cfg(test)]
mod tests;
