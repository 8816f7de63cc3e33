//! The one thing an agent may say of a whole call: the status that ends it.
//!
//! The library makes the same kind of status out of what it finds wrong with an answer. So what was
//! really said is noted here, below the library, and whatever it reports beyond that is a breach of
//! the agent's. It would also panic over details that are no base64, so those go no further.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tonic::codegen::http::{HeaderMap, HeaderValue, Response};

const STATUS: &str = "grpc-status";
const DETAILS: &str = "grpc-status-details-bin";

/// Travels with a request as its extension; whoever made the call keeps a clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    failed: Arc<AtomicBool>,
}

impl Said {
    /// Whether the agent ended the call with an error of its own.
    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn listen(self, response: Response<Incoming>) -> Response<Overheard> {
        let (mut parts, body) = response.into_parts();
        self.hear(&mut parts.headers);
        Response::from_parts(parts, Overheard { body, said: self })
    }

    fn hear(&self, fields: &mut HeaderMap<HeaderValue>) {
        if fields.get(STATUS).is_some_and(|status| status != "0") {
            self.failed.store(true, Ordering::Relaxed);
        }
        fields.remove(DETAILS);
    }
}

/// The answers to one call.
#[derive(Debug)]
pub(super) struct Overheard {
    body: Incoming,
    said: Said,
}

impl Body for Overheard {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        Pin::new(&mut this.body).poll_frame(context).map_ok(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                this.said.hear(trailers);
            }
            frame
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
