//! A file as a stream while another writes it.

use std::{
    fs::File,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::watch;

use super::{
    read::{self, CHUNK_BYTES},
    spool::Progress,
};
use crate::content::{Chunks, Part};

struct Follower {
    file: Arc<File>,
    progress: watch::Receiver<Progress>,
    next: u64,
    /// None while nobody knows how long it will be.
    end: Option<u64>,
}

type Step = (Follower, Option<io::Result<Bytes>>);

struct Follow(Option<Pin<Box<dyn Future<Output = Step> + Send>>>);

pub(super) fn follow(
    file: Arc<File>,
    progress: watch::Receiver<Progress>,
    size: Option<u64>,
    part: Option<Part>,
) -> Chunks {
    let part_end = part.map(|part| part.start.saturating_add(part.length));
    let end = match (part_end, size) {
        (Some(end), Some(size)) => Some(end.min(size)),
        (end, size) => end.or(size),
    };
    let next = part.map_or(0, |part| part.start);
    let follower = Follower { file, progress, next, end };
    Box::pin(Follow(Some(Box::pin(follower.step()))))
}

impl Follower {
    async fn step(mut self) -> Step {
        loop {
            let progress = *self.progress.borrow_and_update();
            let until = self.until(progress);
            if self.next < until {
                // It was written a moment ago.
                if let Some(bytes) = read::cached(&self.file, self.next, until) {
                    self.next += bytes.len() as u64;
                    return (self, Some(Ok(bytes)));
                }
                let length = (until - self.next).min(CHUNK_BYTES);
                let (file, at) = (Arc::clone(&self.file), self.next);
                let read = tokio::task::spawn_blocking(move || read::read(&file, at, length));
                let read = read.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()));
                self.next += length;
                return (self, Some(read));
            }
            if progress.verified {
                return (self, None);
            }
            if self.progress.changed().await.is_err() && !self.progress.borrow().verified {
                let error = io::Error::new(io::ErrorKind::Interrupted, "the download broke off");
                return (self, Some(Err(error)));
            }
        }
    }

    /// How far may be read. What is not verified never ends: its last byte is kept back.
    fn until(&self, progress: Progress) -> u64 {
        let until = self.end.map_or(progress.written, |end| end.min(progress.written));
        let is_last = self.end.is_none_or(|end| until == end);
        if is_last && !progress.verified { until.saturating_sub(1) } else { until }
    }
}

impl Stream for Follow {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(step) = &mut self.0 else { return Poll::Ready(None) };
        let (follower, item) = std::task::ready!(step.as_mut().poll(context));
        self.0 = match &item {
            Some(Ok(_)) => Some(Box::pin(follower.step())),
            _ => None,
        };
        Poll::Ready(item)
    }
}
