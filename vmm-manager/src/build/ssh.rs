//! Where a client that serves its ssh agent meets the guest that asks it.
//!
//! ```text
//! step ─▶ agent ─RelaySsh─▶ lifecycle ─▶ SshPoint ─▶ api ─ServeSsh─▶ client ─▶ its ssh agent
//! ```
//! One client at a time: a new one takes the place of the last, whose channel then ends. What is under
//! way holds a few frames and no more; who does not read is waited for.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

/// Each at most a chunk long.
const FRAMES: usize = 4;

/// A piece of one connection that something in the guest has opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshFrame {
    /// Chosen by the guest; never twice while one client serves.
    pub connection: u32,
    /// Which of the build's ssh it asks for; only when it is opened.
    pub id: String,
    pub data: Bytes,
    pub closed: bool,
}

/// One end: what comes from the other one, and the way to it.
#[derive(Debug)]
pub struct SshEnd {
    pub frames: mpsc::Receiver<SshFrame>,
    pub other: mpsc::Sender<SshFrame>,
}

/// Of one job.
#[derive(Debug, Default)]
pub struct SshPoint {
    place: Mutex<Place>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Place {
    closed: bool,
    waiting: Option<SshEnd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the build is over, and asks no ssh agent any more")]
pub struct SshOver;

impl SshPoint {
    /// For a client that serves. Its frames end when another one takes its place, and with the build.
    pub fn serve(&self) -> Result<SshEnd, SshOver> {
        let (to_client, from_guest) = mpsc::channel(FRAMES);
        let (to_guest, from_client) = mpsc::channel(FRAMES);
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if place.closed {
            return Err(SshOver);
        }
        place.waiting = Some(SshEnd { frames: from_client, other: to_client });
        drop(place);
        self.arrived.notify_one();
        Ok(SshEnd { frames: from_guest, other: to_guest })
    }

    /// The next client, for the one who speaks with the guest.
    ///
    /// # Cancel safety
    /// Safe: no client is lost.
    pub(crate) async fn arrival(&self) -> SshEnd {
        loop {
            // A permit that is older than its client only makes for one more look.
            let notified = self.arrived.notified();
            let waiting = self.place.lock().unwrap_or_else(PoisonError::into_inner).waiting.take();
            if let Some(end) = waiting {
                return end;
            }
            notified.await;
        }
    }

    /// No client is asked for from here on.
    pub(crate) fn close(&self) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) =
            Place { closed: true, waiting: None };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(connection: u32) -> SshFrame {
        SshFrame { connection, id: "default".to_owned(), data: Bytes::new(), closed: false }
    }

    #[tokio::test]
    async fn a_client_and_a_guest_meet_whoever_comes_first() {
        let point = SshPoint::default();
        let mut client = point.serve().unwrap();
        let mut guest = point.arrival().await;
        guest.other.send(frame(1)).await.unwrap();
        assert_eq!(client.frames.recv().await, Some(frame(1)));
        client.other.send(frame(2)).await.unwrap();
        assert_eq!(guest.frames.recv().await, Some(frame(2)));
        let (arrived, served) = tokio::join!(point.arrival(), async { point.serve().unwrap() });
        drop(served);
        assert!(arrived.other.is_closed());
    }

    #[tokio::test]
    async fn a_new_client_takes_the_place_of_one_that_waits_and_none_comes_after_the_end() {
        let point = SshPoint::default();
        let mut first = point.serve().unwrap();
        let second = point.serve().unwrap();
        assert_eq!(first.frames.recv().await, None);
        point.close();
        assert!(second.other.is_closed());
        assert_eq!(point.serve().unwrap_err(), SshOver);
    }
}
