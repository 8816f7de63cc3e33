//! What a guest and a server say to each other while something happens to the rules.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::{
    frame::transport::{
        ACKNOWLEDGE, PUSH, Parsed, Segment, TCP, framed, syn_frame, tcp, udp_frame,
    },
    guest::Guest,
    stage::{GUEST, GUEST6, PATIENCE},
};

/// Until a datagram counts as lost.
const AGAIN: Duration = Duration::from_secs(3);

pub(crate) fn own(address: IpAddr) -> IpAddr {
    if address.is_ipv6() { GUEST6 } else { GUEST }
}

/// How a stream was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With the server's sequence number.
    Welcome(u32),
    Reset,
    Prohibited,
}

/// Asks for a stream and gives the answer to it, which comes from `to` as far as the guest knows.
pub(crate) fn knock(guest: &Guest, port: u16, to: (IpAddr, u16)) -> Option<Answer> {
    guest.send(&syn_frame((own(to.0), port), to));
    guest.wait(PATIENCE.min(Duration::from_secs(3)), |frame| {
        let packet = Parsed::of(frame)?;
        if packet.is_prohibition() {
            return Some(Answer::Prohibited);
        }
        let is_it = packet.protocol == TCP && packet.from == to.0;
        let ports = (packet.source_port(), packet.destination_port()) == (to.1, port);
        if !is_it || !ports {
            return None;
        }
        if packet.is_welcome() {
            return Some(Answer::Welcome(packet.sequence()));
        }
        packet.is_reset().then_some(Answer::Reset)
    })
}

/// A stream that is open, as far as both ends know.
pub(crate) struct Stream {
    port: u16,
    to: (IpAddr, u16),
    sent: u32,
    received: u32,
}

impl Stream {
    pub(crate) fn open(guest: &Guest, port: u16, to: (IpAddr, u16)) -> Self {
        let Some(Answer::Welcome(received)) = knock(guest, port, to) else {
            panic!("{to:?} did not answer")
        };
        let stream = Self { port, to, sent: 1001, received: received.wrapping_add(1) };
        guest.send(&stream.segment(ACKNOWLEDGE, b""));
        stream
    }

    /// The same again each time: nobody minds a repetition.
    pub(crate) fn says(&self, payload: &[u8]) -> Vec<u8> {
        self.segment(ACKNOWLEDGE | PUSH, payload)
    }

    fn segment(&self, flags: u8, payload: &[u8]) -> Vec<u8> {
        let from = (own(self.to.0), self.port);
        let (sequence, acknowledged) = (self.sent, self.received);
        let segment = Segment { flags, sequence, acknowledged, payload };
        framed(from.0, self.to.0, TCP, &tcp(from, self.to, segment))
    }
}

/// Whether a datagram to an echo comes back.
pub(crate) fn echoes(guest: &Guest, port: u16, to: (IpAddr, u16), patience: Duration) -> bool {
    let question = format!("echo {port}");
    let is_echo = |frame: &[u8]| {
        let packet = Parsed::of(frame)?;
        (packet.from == to.0 && packet.datagram() == question.as_bytes()).then_some(())
    };
    // A datagram may be lost, as where a link has its carrier a moment after it was made.
    let end = Instant::now() + patience;
    loop {
        guest.send(&udp_frame((own(to.0), port), to, question.as_bytes()));
        let left = end.saturating_duration_since(Instant::now());
        if guest.wait(left.min(AGAIN), is_echo).is_some() {
            return true;
        }
        if left <= AGAIN {
            return false;
        }
    }
}

/// Whether a datagram is refused in words.
pub(crate) fn is_refused(guest: &Guest, port: u16, to: (IpAddr, u16)) -> bool {
    guest.send(&udp_frame((own(to.0), port), to, b"refused"));
    let refused = |frame: &[u8]| Parsed::of(frame)?.is_prohibition().then_some(());
    guest.wait(PATIENCE, refused).is_some()
}
