//! What steps of a build say to ssh agents of its client: pieces of connections that the guest opens.

use std::{collections::HashSet, sync::Arc};

use kiln_proto::agent::{MAX_CHUNK_BYTES, v1};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::{GuestError, said::Said, session::Session};
use crate::build::ssh::SshFrame;

pub(super) const PHASE: &str = "the ssh relay";
/// More than the steps of a build have at once.
const MAX_OPEN: usize = 64;
/// On one stream, so that what is kept of them is bounded.
const MAX_CONNECTIONS: usize = 16 << 10;
/// On their way to a guest that does not read.
const FRAMES: usize = 4;

/// One stream, which ends when this is dropped.
#[derive(Debug)]
pub struct SshRelay {
    session: Arc<Session>,
    responses: Streaming<v1::SshFrame>,
    said: Said,
    order: Order,
    requests: mpsc::Sender<v1::SshFrame>,
}

/// What waits for the agent's answer to the call.
#[derive(Debug)]
pub(super) struct Opened {
    order: Order,
    requests: mpsc::Sender<v1::SshFrame>,
}

pub(super) fn begin(ids: Vec<String>) -> (ReceiverStream<v1::SshFrame>, Opened) {
    let (requests, frames) = mpsc::channel(FRAMES);
    let order = Order { ids, open: HashSet::new(), seen: HashSet::new() };
    (ReceiverStream::new(frames), Opened { order, requests })
}

impl Opened {
    pub(super) fn of(
        self,
        session: Arc<Session>,
        responses: Streaming<v1::SshFrame>,
        said: Said,
    ) -> SshRelay {
        let Self { order, requests } = self;
        SshRelay { session, responses, said, order, requests }
    }
}

impl SshRelay {
    /// The guest's next word; none when it has ended the stream.
    ///
    /// # Cancel safety
    /// Safe: no frame is lost.
    pub async fn next(&mut self) -> Result<Option<SshFrame>, GuestError> {
        match self.responses.message().await {
            Ok(Some(frame)) => self.order.admit(frame).map(Some),
            Ok(None) => Ok(None),
            Err(status) => Err(self.session.failure(PHASE, &status, &self.said).await),
        }
    }

    /// What is to be said to the guest, of a connection that it may have closed meanwhile.
    pub fn forwarded(&mut self, frame: SshFrame) -> Option<Forwarded> {
        let SshFrame { connection, id: _, data, closed } = frame;
        if !self.order.open.contains(&connection) {
            return None;
        }
        if closed {
            self.order.open.remove(&connection);
        }
        let frame = v1::SshFrame { connection, id: String::new(), data, closed };
        Some(Forwarded { frame, requests: self.requests.clone() })
    }
}

/// A frame that has not been sent yet.
#[derive(Debug)]
pub struct Forwarded {
    frame: v1::SshFrame,
    requests: mpsc::Sender<v1::SshFrame>,
}

impl Forwarded {
    /// Waits while the guest does not read. That it is gone is told by the relay.
    pub async fn send(self) {
        let Self { mut frame, requests } = self;
        let mut data = std::mem::take(&mut frame.data);
        loop {
            let piece = data.split_to(data.len().min(MAX_CHUNK_BYTES));
            let closed = frame.closed && data.is_empty();
            let sent = v1::SshFrame { data: piece, closed, ..frame.clone() };
            if requests.send(sent).await.is_err() || data.is_empty() {
                return;
            }
        }
    }
}

/// Which connections there are, and may be.
#[derive(Debug)]
struct Order {
    ids: Vec<String>,
    open: HashSet<u32>,
    seen: HashSet<u32>,
}

impl Order {
    fn admit(&mut self, frame: v1::SshFrame) -> Result<SshFrame, GuestError> {
        let v1::SshFrame { connection, id, data, closed } = frame;
        if data.len() > MAX_CHUNK_BYTES {
            return Err(broken("a piece of an ssh connection that is too long"));
        }
        if self.seen.contains(&connection) {
            if !id.is_empty() {
                return Err(broken("an ssh connection that is opened twice"));
            }
        } else {
            if !self.ids.contains(&id) {
                return Err(broken("an ssh connection to nothing that the build has"));
            }
            if self.open.len() >= MAX_OPEN || self.seen.len() >= MAX_CONNECTIONS {
                return Err(broken("more ssh connections than a build may have"));
            }
            self.seen.insert(connection);
            self.open.insert(connection);
        }
        if closed {
            // The client may have closed it first.
            self.open.remove(&connection);
        }
        Ok(SshFrame { connection, id, data, closed })
    }
}

fn broken(what: &str) -> GuestError {
    GuestError::Protocol { what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(connection: u32, id: &str, closed: bool) -> v1::SshFrame {
        v1::SshFrame { connection, id: id.to_owned(), data: vec![0; 3].into(), closed }
    }

    fn order() -> Order {
        Order { ids: vec!["default".to_owned()], open: HashSet::new(), seen: HashSet::new() }
    }

    #[test]
    fn a_connection_is_opened_once_and_to_what_the_build_has() {
        let mut order = order();
        order.admit(frame(1, "default", false)).unwrap();
        order.admit(frame(1, "", false)).unwrap();
        order.admit(frame(1, "", true)).unwrap();
        assert!(order.open.is_empty());
        for (frame, words) in [
            (frame(1, "default", false), "twice"),
            (frame(2, "", false), "to nothing"),
            (frame(2, "other", false), "to nothing"),
            (
                v1::SshFrame {
                    data: vec![0; MAX_CHUNK_BYTES + 1].into(),
                    ..frame(3, "default", false)
                },
                "too long",
            ),
        ] {
            let told = order.admit(frame).unwrap_err().to_string();
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn how_many_are_open_is_bounded() {
        let mut order = order();
        let most = u32::try_from(MAX_OPEN).unwrap();
        for connection in 0..most {
            order.admit(frame(connection, "default", false)).unwrap();
        }
        assert!(order.admit(frame(most, "default", false)).is_err());
        order.admit(frame(0, "", true)).unwrap();
        order.admit(frame(most, "default", false)).unwrap();
    }
}
