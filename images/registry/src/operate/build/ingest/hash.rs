//! Blobs hashed on a thread beside the one that reads and writes: hashing is most of the work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use bytes::Bytes;

use crate::{
    digest::{Digest, Hasher},
    layout::InvalidLayout,
    store::StoreError,
};

/// Pieces that wait.
const AHEAD: usize = 16;

pub(super) struct Hashing {
    steps: Option<SyncSender<Step>>,
    thread: Option<JoinHandle<Result<(), InvalidLayout>>>,
    /// It has found a wrong one.
    is_wrong: Arc<AtomicBool>,
}

enum Step {
    Piece(Bytes),
    /// Of a blob, and what its name says it has.
    End {
        path: String,
        claimed: Digest,
    },
}

impl Hashing {
    pub(super) fn begin() -> Result<Self, StoreError> {
        let (steps, waiting) = sync_channel(AHEAD);
        let is_wrong = Arc::<AtomicBool>::default();
        let wrong = Arc::clone(&is_wrong);
        let thread = thread::Builder::new()
            .name("registry-hash".to_owned())
            .spawn(move || {
                let hashed = run(&waiting);
                wrong.store(hashed.is_err(), Ordering::Relaxed);
                hashed
            })
            .map_err(|error| StoreError::Stream(Arc::new(error)))?;
        Ok(Self { steps: Some(steps), thread: Some(thread), is_wrong })
    }

    /// Of the blob whose turn it is.
    pub(super) fn piece(&mut self, bytes: Bytes) {
        self.step(Step::Piece(bytes));
    }

    pub(super) fn end(&mut self, path: String, claimed: Digest) {
        self.step(Step::End { path, claimed });
    }

    /// There is no use in going on.
    pub(super) fn is_wrong(&self) -> bool {
        self.is_wrong.load(Ordering::Relaxed)
    }

    fn step(&mut self, step: Step) {
        if let Some(steps) = &self.steps {
            // Nobody takes it any more where it found a wrong one, which `finish` tells.
            let _ = steps.send(step);
        }
    }

    /// Whether every blob is what its name says.
    pub(super) fn finish(&mut self) -> Result<(), InvalidLayout> {
        self.steps = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(hashed)) => hashed,
            Some(Err(_)) => Err(InvalidLayout::NotATar("it could not be hashed")),
            None => Ok(()),
        }
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.steps = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(steps: &Receiver<Step>) -> Result<(), InvalidLayout> {
    let mut hasher = Hasher::default();
    for step in steps {
        match step {
            Step::Piece(bytes) => hasher.update(&bytes),
            Step::End { path, claimed } => {
                let found = std::mem::take(&mut hasher).finish();
                if found != claimed {
                    return Err(InvalidLayout::OtherDigest { path, found });
                }
            }
        }
    }
    Ok(())
}
