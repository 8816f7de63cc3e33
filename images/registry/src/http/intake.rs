//! Bodies of requests, under limits of time and size.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::exchange::Exchange;
use crate::problem::{Code, Problem};

/// So long may no byte come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of what an answer did not need, so much is read for the sake of the connection.
const MAX_REST_BYTES: usize = 1 << 20;
const REST_TIME: Duration = Duration::from_secs(1);

/// A request's body. Whoever did not read it to its end leaves the rest here.
#[derive(Clone)]
pub(crate) struct Sent(Arc<Mutex<Option<Incoming>>>);

impl Sent {
    pub(crate) fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    fn taken(&self) -> Option<Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Nothing comes, or nothing more.
    pub(crate) fn is_empty(&self) -> bool {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.as_ref().is_none_or(hyper::body::Body::is_end_stream)
    }

    /// Where that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.as_ref().and_then(|body| body.size_hint().exact())
    }

    /// Reads a small rest. False: there is more, and the connection can't go on.
    pub(crate) async fn read_rest(&self) -> bool {
        let Some(mut body) = self.taken() else { return false };
        let rest = async {
            let mut left = MAX_REST_BYTES;
            while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                let Ok(frame) = frame else { return false };
                let length = frame.data_ref().map_or(0, Bytes::len);
                let Some(still) = left.checked_sub(length) else { return false };
                left = still;
            }
            true
        };
        timeout(REST_TIME, rest).await.unwrap_or(false)
    }
}

/// The content of a blob, as it comes.
pub(crate) struct Intake {
    sent: Sent,
    /// None: it has ended.
    body: Option<Incoming>,
    /// How much is still to come, where that was said.
    left: Option<u64>,
    deadline: Pin<Box<Sleep>>,
}

impl Intake {
    pub(crate) fn new(sent: &Sent, length: Option<u64>) -> Self {
        let deadline = Box::pin(sleep(PATIENCE));
        Self { sent: sent.clone(), body: sent.taken(), left: length, deadline }
    }

    fn counted(&mut self, bytes: &Bytes) -> io::Result<()> {
        if let Some(left) = &mut self.left {
            let length = bytes.len() as u64;
            *left = left.checked_sub(length).ok_or_else(|| length_error("longer"))?;
        }
        Ok(())
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        *self.sent.0.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
    }
}

impl Stream for Intake {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) else {
                ready!(self.deadline.as_mut().poll(cx));
                return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
            };
            self.deadline.as_mut().reset(Instant::now() + PATIENCE);
            let item = match frame {
                None if self.left.is_some_and(|left| left > 0) => Err(length_error("shorter")),
                None => return Poll::Ready(None),
                Some(Err(error)) => Err(io::Error::other(error)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.counted(&bytes).map(|()| bytes),
                    // Trailers say nothing here.
                    Err(_) => continue,
                },
            };
            return Poll::Ready(Some(item));
        }
    }
}

fn length_error(how: &str) -> io::Error {
    let message = format!("the content is {how} than its Content-Range says");
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// All of a small body: of a manifest. Its room in memory is kept with it.
pub(crate) async fn whole(
    exchange: &Exchange<'_>,
    sent: &Sent,
    at_most: usize,
) -> Result<Bytes, Problem> {
    let too_large = || {
        let message = format!("manifests of more than {at_most} bytes are not accepted");
        Problem::new(Code::SizeInvalid, 413, message)
    };
    let broken =
        || Problem::new(Code::ManifestInvalid, 400, "the manifest broke off: send it again");
    if sent.length().is_some_and(|length| length > at_most as u64) {
        return Err(too_large());
    }
    let length = sent.length().and_then(|length| usize::try_from(length).ok()).unwrap_or(at_most);
    let room = exchange.room(length).await?;
    let collected = async {
        let mut intake = Intake::new(sent, None);
        let mut bytes = BytesMut::new();
        while let Some(chunk) = poll_fn(|cx| Pin::new(&mut intake).poll_next(cx)).await {
            let chunk = chunk.map_err(|_| broken())?;
            if bytes.len() + chunk.len() > at_most {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    };
    let bytes = timeout(PATIENCE, collected).await.map_err(|_| broken())??;
    Ok(room.keep(bytes))
}
