//! The task that brings a blob.

use std::{future, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{Downloads, Key, Opened, Order, ReaderWanted, Shared, State, lock};
use crate::{
    mirror::{failure::Failure, followed::next, source::Download},
    problem::{Code, Problem},
    store::{StoreError, Writer},
};

/// When nothing has come for so long, readers get what there is.
const IDLE: Duration = Duration::from_millis(20);

pub(super) struct Task {
    pub(super) downloads: Downloads,
    pub(super) key: Key,
    pub(super) shared: Arc<Shared>,
    pub(super) order: Order,
    pub(super) wanted: mpsc::Receiver<ReaderWanted>,
}

/// How a stretch of it ended.
enum Stretch {
    Whole,
    BrokeOff,
    /// Nobody waits for it any more, and nobody will.
    Left,
}

impl Task {
    pub(super) async fn run(mut self) {
        let leaving = Leaving {
            downloads: self.downloads.clone(),
            key: self.key.clone(),
            shared: Arc::clone(&self.shared),
        };
        let ended = self.bring().await.unwrap_or_else(State::Failed);
        self.shared.state.send_replace(ended);
        drop(leaving);
        drop(self.order.permit);
    }

    async fn bring(&mut self) -> Result<State, Failure> {
        let (at, digest) = (self.order.at.clone(), self.order.digest);
        let (store, source) = (self.downloads.store.clone(), Arc::clone(&self.downloads.source));
        let repository = at.repository();
        if store.blob(&repository, digest).await.map_err(stored)?.is_some() {
            return Ok(State::There);
        }
        let mut size = self.order.size;
        let mut writer = store.write(&repository, digest, size).await.map_err(stored)?;
        let mut is_public = true;
        let mut pause = self.downloads.patience.pause;
        let mut resumes = self.downloads.patience.resumes;
        let opened = loop {
            let download = source.blob(&at, digest, writer.offset()).await?;
            is_public &= download.is_public;
            // Also where its starter is gone by now, and nobody writes down that it was let in.
            if !is_public {
                store.end_publicity(&repository).await.map_err(stored)?;
            }
            let skip = check(&download, size, writer.offset())?;
            size = Some(download.size);
            let opened = Opened { size: download.size, is_public };
            self.shared.state.send_replace(State::Open(opened));
            match self.stretch(&mut writer, download, skip).await? {
                Stretch::Whole => break opened,
                Stretch::Left => return Err(broken()),
                Stretch::BrokeOff => match resumes.checked_sub(1) {
                    Some(fewer) => resumes = fewer,
                    None => {
                        let at = writer.offset();
                        let why = format!("it broke off at {at} of {} bytes", opened.size);
                        return Err(Failure::Away { why });
                    }
                },
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        };
        writer.commit().await.map_err(stored)?;
        // What others were answered while it came was not said of it.
        if !is_public {
            store.end_publicity(&repository).await.map_err(stored)?;
        }
        for repository in self.shared.take_admitted() {
            store.link(&repository, digest).await.map_err(stored)?;
        }
        Ok(State::Done(opened))
    }

    /// Until it is all there, it breaks off, or nobody has waited for a while.
    async fn stretch(
        &mut self,
        writer: &mut Writer,
        mut download: Download,
        mut skip: u64,
    ) -> Result<Stretch, Failure> {
        let mut deserted_until = None;
        let mut is_behind = false;
        let (fewest, within) = self.downloads.patience.slowest;
        let mut mark = (Instant::now() + within, writer.offset() + fewest);
        while writer.offset() < download.size {
            let deserted = async {
                match deserted_until {
                    Some(until) => sleep_until(until).await,
                    None => future::pending().await,
                }
            };
            let idle = async {
                if is_behind {
                    tokio::time::sleep(IDLE).await;
                } else {
                    future::pending::<()>().await;
                }
            };
            tokio::select! {
                chunk = next(&mut download.chunks) => match chunk {
                    Some(Ok(bytes)) => {
                        let bytes = behind(bytes, &mut skip);
                        if writer.offset() + bytes.len() as u64 > download.size {
                            return Err(lies(Code::SizeInvalid, "it is longer than it was to be"));
                        }
                        writer.push(bytes).await.map_err(stored)?;
                        is_behind = true;
                    }
                    Some(Err(_)) | None => {
                        writer.flush().await.map_err(stored)?;
                        return Ok(Stretch::BrokeOff);
                    }
                },
                () = sleep_until(mark.0) => {
                    if writer.offset() < mark.1 {
                        writer.flush().await.map_err(stored)?;
                        return Err(Failure::Away { why: "it sends hardly anything".to_owned() });
                    }
                    mark = (Instant::now() + within, writer.offset() + fewest);
                }
                () = idle => {
                    writer.flush().await.map_err(stored)?;
                    is_behind = false;
                }
                Some(ReaderWanted { part, answer }) = self.wanted.recv() => {
                    // Who wanted it may have gone away.
                    drop(answer.send(writer.reader(part)));
                }
                () = self.shared.deserted.notified() => {
                    deserted_until = Some(Instant::now() + self.downloads.patience.linger);
                }
                () = deserted => {
                    if self.shared.leave(&self.downloads.board, &self.key) {
                        writer.flush().await.map_err(stored)?;
                        return Ok(Stretch::Left);
                    }
                    deserted_until = None;
                }
            }
        }
        Ok(Stretch::Whole)
    }
}

/// Takes it off the board, also when the task panics; another that was begun since stays.
struct Leaving {
    downloads: Downloads,
    key: Key,
    shared: Arc<Shared>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut board = lock(&self.downloads.board);
        if board.get(&self.key).is_some_and(|shared| Arc::ptr_eq(shared, &self.shared)) {
            board.remove(&self.key);
        }
        drop(board);
        // Whoever still waits learns that nothing comes: of a task that ended, it is what ended it.
        self.shared.state.send_if_modified(|state| {
            let is_open = matches!(state, State::Asked | State::Open(_));
            if is_open {
                *state = State::Failed(broken());
            }
            is_open
        });
    }
}

/// How many of its first bytes are there already.
fn check(download: &Download, size: Option<u64>, offset: u64) -> Result<u64, Failure> {
    if let Some(size) = size.filter(|size| *size != download.size) {
        let why = format!("it has {} bytes, and was to have {size}", download.size);
        return Err(lies(Code::SizeInvalid, why));
    }
    offset
        .checked_sub(download.start)
        .ok_or_else(|| lies(Code::SizeInvalid, "it begins behind where it was to go on"))
}

/// What comes after those bytes.
fn behind(mut bytes: Bytes, skip: &mut u64) -> Bytes {
    let skipped = usize::try_from(*skip).unwrap_or(usize::MAX).min(bytes.len());
    *skip -= skipped as u64;
    bytes.split_off(skipped)
}

fn lies(code: Code, why: impl Into<String>) -> Failure {
    Failure::Lies { code, why: why.into() }
}

pub(super) fn broken() -> Failure {
    let message = "the download ended: ask again";
    Failure::Here(Problem::new(Code::Unavailable, 503, message))
}

fn stored(error: StoreError) -> Failure {
    match error {
        StoreError::OtherDigest { .. } => {
            lies(Code::DigestInvalid, "its bytes are not those of its digest")
        }
        StoreError::TooLong { expected } => {
            let why = format!("it has more than the {expected} bytes that it was to have");
            lies(Code::SizeInvalid, why)
        }
        error => Failure::of_store(error),
    }
}
