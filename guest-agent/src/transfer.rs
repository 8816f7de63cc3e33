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
//! a tar of a directory, or the bytes of one file.

mod attributes;
mod failure;
mod order;
mod pack;
mod progress;
mod tree;
mod unpack;

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use tokio::sync::watch;

use self::{failure::Failure, progress::Progress};
pub(crate) use self::{
    failure::Refused,
    order::{Format, InvalidOrder, Order, Task},
};
use crate::disks::Disks;

/// More than a VM has disks.
const MAX_DISKS: usize = 64;
/// Walking and copying keep their data on the heap; the archive's reader keeps some on the stack.
const STACK_BYTES: usize = 512 * 1024;

/// How much was carried, or why it was not.
pub(crate) type End = Result<u64, Refused>;

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
        let Order { disk, task } = order;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = known.get(&disk) {
            return if before.task == task {
                Ok(before.following.clone())
            } else {
                Err(NotBegun::Different(disk))
            };
        }
        if known.len() >= MAX_DISKS {
            return Err(NotBegun::TooMany);
        }
        let following = self.begin(disk.clone(), task.clone());
        known.insert(disk, Known { task, following: following.clone() });
        Ok(following)
    }

    fn begin(&self, disk: String, task: Task) -> Following {
        let progress = Arc::new(Progress::default());
        let (told, end) = watch::channel(None);
        let disks = Arc::clone(&self.disks);
        let counted = Arc::clone(&progress);
        let thread = thread::Builder::new().name(format!("disk {disk}")).stack_size(STACK_BYTES);
        let tell = told.clone();
        let spawned = thread.spawn(move || {
            let end = carry(&*disks, &disk, &task, &counted);
            tell.send_replace(Some(end.map_err(|failure| Refused::from(&failure))));
        });
        if let Err(source) = spawned {
            let failure = Failure::Agent { what: "start a thread", source };
            told.send_replace(Some(Err(Refused::from(&failure))));
        }
        Following { progress, end }
    }
}

fn carry(disks: &dyn Disks, disk: &str, task: &Task, progress: &Progress) -> Result<u64, Failure> {
    let device = disks.find(disk)?;
    match task {
        Task::Unpack { length, format, path } => {
            unpack::unpack(&device, *length, *format, path, progress)
        }
        Task::Pack { format, path } => pack::pack(&device, *format, path, progress),
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
