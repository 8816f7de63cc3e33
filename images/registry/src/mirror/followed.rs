//! What an asker reads of a blob that is on its way.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;

use crate::content::Chunks;

use super::{
    download::{Seat, State},
    failure::Failure,
};

type Broken = Box<dyn FnOnce(&Failure) + Send>;

/// Ends well only after all of the blob was verified, whatever part of it this is.
pub(crate) struct Followed {
    chunks: Option<Chunks>,
    error: Option<io::Error>,
    /// Holds the seat: the download goes on while this is read.
    ended: Pin<Box<dyn Future<Output = State> + Send>>,
    /// Told why it breaks off, once.
    broken: Option<Broken>,
}

impl Followed {
    pub(crate) fn new(
        chunks: Chunks,
        seat: Seat,
        broken: impl FnOnce(&Failure) + Send + 'static,
    ) -> Self {
        let ended = Box::pin(async move { seat.ended().await });
        Self { chunks: Some(chunks), error: None, ended, broken: Some(Box::new(broken)) }
    }

    fn end(&mut self, state: &State) -> Option<io::Result<Bytes>> {
        let broken = self.broken.take()?;
        match state {
            State::Failed(failure) => {
                broken(failure);
                Some(Err(io::Error::new(io::ErrorKind::InvalidData, "the registry broke it off")))
            }
            State::Done(_) | State::There | State::Asked | State::Open(_) => {
                self.error.take().map(Err)
            }
        }
    }
}

impl Stream for Followed {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(chunks) = &mut self.chunks {
            match ready!(chunks.as_mut().poll_next(cx)) {
                Some(Ok(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                // Also where it fails: why is known when the download has ended.
                ended => {
                    self.error = ended.and_then(Result::err);
                    self.chunks = None;
                }
            }
        }
        if self.broken.is_none() {
            return Poll::Ready(None);
        }
        let state = ready!(self.ended.as_mut().poll(cx));
        Poll::Ready(self.end(&state))
    }
}

pub(crate) async fn next(chunks: &mut Chunks) -> Option<io::Result<Bytes>> {
    poll_fn(|cx| chunks.as_mut().poll_next(cx)).await
}
