//! From a stream into a spool. While one batch is written and hashed on a blocking thread the next
//! one comes in, so that neither waits for the other, and a sender that stalls holds no thread.

use std::{mem, sync::Arc};

use bytes::Bytes;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    task::JoinHandle,
};

use super::{StoreError, spool::Spool};

/// In memory at most twice: what is written and what waits.
const BATCH_BYTES: usize = 1 << 20;

type Guard = OwnedMutexGuard<Spool>;

/// Whoever has it writes alone. When it is dropped, what is being written still is: the spool
/// stays locked until then, and is whole afterwards.
#[derive(Debug)]
pub(super) struct Pour {
    spool: Arc<Mutex<Spool>>,
    running: Running,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
}

#[derive(Debug)]
enum Running {
    Nothing(Guard),
    Batch(JoinHandle<(Guard, Result<(), StoreError>)>),
    /// Of a batch that failed or a runtime that goes down.
    Failed,
}

impl Pour {
    pub(super) async fn begin(spool: Arc<Mutex<Spool>>) -> Self {
        let guard = Arc::clone(&spool).lock_owned().await;
        Self { spool, running: Running::Nothing(guard), waiting: Vec::new(), waiting_bytes: 0 }
    }

    /// The spool, where nothing is being written.
    pub(super) fn idle(&mut self) -> Option<&mut Spool> {
        match &mut self.running {
            Running::Nothing(guard) => Some(guard),
            Running::Batch(_) | Running::Failed => None,
        }
    }

    /// Returns once it is written or there is room for it to wait.
    pub(super) async fn push(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.waiting_bytes += bytes.len();
        self.waiting.push(bytes);
        let is_free = match &self.running {
            Running::Nothing(_) | Running::Failed => true,
            Running::Batch(batch) => batch.is_finished(),
        };
        if is_free || self.waiting_bytes >= BATCH_BYTES {
            self.settle().await?;
            self.start();
        }
        Ok(())
    }

    /// What waits is written when this returns.
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        self.settle().await?;
        self.start();
        self.settle().await
    }

    /// All of it is written when this returns, not yet durable.
    pub(super) async fn finish(&mut self) -> Result<Guard, StoreError> {
        self.flush().await?;
        match mem::replace(&mut self.running, Running::Failed) {
            Running::Nothing(guard) => Ok(guard),
            Running::Batch(_) | Running::Failed => Err(StoreError::Closed),
        }
    }

    /// Back to so many bytes, after a failure too.
    pub(super) async fn cut(&mut self, length: u64) -> Result<(), StoreError> {
        self.waiting.clear();
        self.waiting_bytes = 0;
        let guard = match mem::replace(&mut self.running, Running::Failed) {
            Running::Nothing(guard) => guard,
            // It has it until its batch is written.
            Running::Batch(_) | Running::Failed => Arc::clone(&self.spool).lock_owned().await,
        };
        let cut = tokio::task::spawn_blocking(move || {
            let mut guard = guard;
            let cut = guard.cut(length);
            (guard, cut)
        });
        let (guard, cut) = cut.await.map_err(|_| StoreError::Closed)?;
        cut?;
        self.running = Running::Nothing(guard);
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), StoreError> {
        if let Running::Batch(batch) = &mut self.running {
            let settled = batch.await;
            self.running = Running::Failed;
            let (guard, written) = settled.map_err(|_| StoreError::Closed)?;
            written?;
            self.running = Running::Nothing(guard);
        }
        match self.running {
            Running::Failed => Err(StoreError::Closed),
            _ => Ok(()),
        }
    }

    fn start(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        match mem::replace(&mut self.running, Running::Failed) {
            Running::Nothing(mut guard) => {
                let chunks = mem::take(&mut self.waiting);
                self.waiting_bytes = 0;
                self.running = Running::Batch(tokio::task::spawn_blocking(move || {
                    let written = guard.write(&chunks);
                    (guard, written)
                }));
            }
            other => self.running = other,
        }
    }
}
