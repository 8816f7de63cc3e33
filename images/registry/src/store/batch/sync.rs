//! Files on their way to the disk, while others are still being written.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use crate::store::StoreError;

/// Files that wait: whoever writes faster than the disk waits here.
const WAITING: usize = 16;

pub(super) struct Syncing {
    files: Option<SyncSender<(PathBuf, Arc<File>)>>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Syncing {
    pub(super) fn begin(directory: &Path) -> Result<Self, StoreError> {
        let (files, waiting) = sync_channel::<(PathBuf, Arc<File>)>(WAITING);
        let thread = thread::Builder::new()
            .name("registry-sync".to_owned())
            .spawn(move || {
                for (path, file) in waiting {
                    file.sync_all().map_err(|error| StoreError::io(&path, error))?;
                }
                Ok(())
            })
            .map_err(|error| StoreError::io(directory, error))?;
        Ok(Self { files: Some(files), thread: Some(thread) })
    }

    /// What was written to it until now is durable when [`Self::settle`] returns.
    pub(super) fn sync(&mut self, path: &Path, file: &Arc<File>) -> Result<(), StoreError> {
        let Some(files) = &self.files else { return Err(StoreError::Closed) };
        match files.send((path.to_owned(), Arc::clone(file))) {
            Ok(()) => Ok(()),
            // It ends before its time only where a file could not be synced.
            Err(_) => self.settle(),
        }
    }

    pub(super) fn settle(&mut self) -> Result<(), StoreError> {
        self.files = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(settled)) => settled,
            Some(Err(_)) | None => Err(StoreError::Closed),
        }
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        self.files = None;
        if let Some(thread) = self.thread.take() {
            // Whoever wants to know how it went asks before.
            let _ = thread.join();
        }
    }
}
