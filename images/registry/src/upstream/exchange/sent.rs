//! What goes along with a request.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Frame, SizeHint};

use crate::{content::Chunks, upstream::pool::Payload};

pub(in crate::upstream) enum Sent {
    Nothing,
    Bytes(Bytes),
    /// So many bytes; once.
    Stream(u64, Chunks),
}

impl Sent {
    pub(super) fn into_body(self, progress: &Arc<AtomicU64>) -> Payload {
        match self {
            Self::Nothing => Empty::new().map_err(|never| match never {}).boxed_unsync(),
            Self::Bytes(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
            Self::Stream(left, chunks) => {
                Streamed { chunks, left, progress: progress.clone() }.boxed_unsync()
            }
        }
    }
}

/// Exactly as long as was said, or broken off.
struct Streamed {
    chunks: Chunks,
    left: u64,
    progress: Arc<AtomicU64>,
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let next = std::task::ready!(self.chunks.as_mut().poll_next(context));
        Poll::Ready(Some(match next {
            Some(Ok(bytes)) if bytes.len() as u64 <= self.left => {
                self.left -= bytes.len() as u64;
                self.progress.fetch_add(1, Ordering::Relaxed);
                Ok(Frame::data(bytes))
            }
            Some(Ok(_)) => Err(io::Error::other("the content is longer than was said")),
            Some(Err(error)) => Err(error),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
