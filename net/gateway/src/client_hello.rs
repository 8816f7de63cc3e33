//! The name in a TLS client's first message, which is in the clear. Nothing is decrypted.
//!
//! A `ClientHello` is a handshake message of type 1; handshake messages are cut into records of type
//! 22, anywhere, and records into segments, anywhere. So two layers: `records` puts the message
//! together as bytes come, `body` reads it when it is whole:
//!
//! ```text
//! record     22 | 3 x | length (2) | fragment …
//! message     1 | length (3) | body
//! body       version (2) | random (32) | session (1+n) | ciphers (2+n) | compressions (1+n)
//!            | extensions (2+n): kind (2) | length (2) | content
//! ```
//!
//! Read strictly: where two implementations might understand two names, there is none. A duplicate
//! extension, a second name, bytes left over anywhere, a message that shares its record with what
//! follows, an empty record: all refused. So is a name that may be another one inside (encrypted
//! client hello): clients that send a meaningless one as grease (browsers do) can't be told apart.

mod body;
mod records;
pub(crate) mod retry;

use kiln_net::{name::Name, record::Reason};

pub use retry::{Answer, ServerAnswer};

/// Of one message with its records' heads. Clients with post-quantum keys and large tickets stay
/// under a quarter.
pub const MAX_BYTES: usize = 16 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("it does not begin as TLS does")]
    NotTls,
    #[error("it is not well-formed: {0}")]
    Malformed(&'static str),
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
}

impl Unread {
    pub fn reason(self) -> Reason {
        match self {
            Self::NotTls => Reason::NotTheProtocol,
            Self::Malformed(_) => Reason::Malformed,
            Self::TooLong => Reason::Limit,
        }
    }
}

/// What a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    pub name: ServerName,
    /// So many of the bytes are the hello's; what comes after is not part of it.
    pub bytes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerName {
    Clear(Name),
    Missing,
    /// What stands in the clear may not be what is meant.
    Encrypted {
        outer: Option<Name>,
    },
    /// An address, an empty label, letters that a host name has not.
    NoName(String),
}

/// Takes a connection's first bytes as they come. Each byte is looked at once.
#[derive(Debug)]
pub struct ClientHello {
    records: records::Records,
}

impl Default for ClientHello {
    fn default() -> Self {
        Self { records: records::Records::new(records::Before::Nothing) }
    }
}

impl ClientHello {
    /// One that follows upon a server's request to say it again: before it the client may send the
    /// empty gesture that middleboxes are used to.
    pub fn again() -> Self {
        Self { records: records::Records::new(records::Before::CipherChange) }
    }

    /// `None`: more is needed. Not to be given more after it has said something else.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Hello>, Unread> {
        let Some(length) = self.records.push(bytes, CLIENT_HELLO, MAX_BYTES)? else {
            return Ok(None);
        };
        let name = body::read(self.records.message())?;
        Ok(Some(Hello { name, bytes: length }))
    }
}

const CLIENT_HELLO: u8 = 1;

#[cfg(test)]
pub(crate) mod tests;
