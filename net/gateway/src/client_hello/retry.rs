//! Whether a server wants the hello again.
//!
//! A TLS 1.3 server that likes none of the keys it was offered asks for another hello, in the clear
//! as the first. There are servers that then serve whatever name the second one says, so it has to
//! be held against the first. A hello that the server did not ask for is none to it.

use super::{MAX_BYTES, records};

const SERVER_HELLO: u8 = 2;
const VERSION_BYTES: usize = 2;
/// The random number that makes a `ServerHello` a request (RFC 8446, 4.1.3): SHA-256 of
/// `HelloRetryRequest`.
pub(crate) const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The names are exchanged; what follows is between the two.
    Settled,
    /// The client says hello again.
    Retry,
}

/// Takes a server's first bytes as they come.
#[derive(Debug)]
pub struct ServerAnswer {
    records: records::Records,
}

impl Default for ServerAnswer {
    fn default() -> Self {
        Self { records: records::Records::new(records::Before::Alerts) }
    }
}

impl ServerAnswer {
    /// `None`: more is needed.
    pub fn push(&mut self, bytes: &[u8]) -> Option<Answer> {
        // One by one, so that what comes together is read as what comes apart; they are few.
        bytes.iter().find_map(|byte| self.push_one(*byte))
    }

    fn push_one(&mut self, byte: u8) -> Option<Answer> {
        // An alert, no TLS: nothing that asks for a hello.
        let over = self.records.push(&[byte], SERVER_HELLO, MAX_BYTES) != Ok(None);
        let random = self.records.message().get(VERSION_BYTES..VERSION_BYTES + RETRY.len());
        match random {
            Some(random) if random == RETRY => Some(Answer::Retry),
            Some(_) => Some(Answer::Settled),
            None => over.then_some(Answer::Settled),
        }
    }
}
