//! The host that HTTP/1 requests name, of every request on a connection.
//!
//! One connection carries many requests, and each names its host; so each head is read before it is
//! passed on, and bodies are passed by exactly counted. Whoever guards requests has to find the same
//! ends of bodies that the server finds, else a second request hides in a body. So what has ever been
//! read in two ways is refused, though a server might take it: both or two lengths, a length that is
//! not digits alone, codings but `chunked`, extensions of chunks and trailers, folded or nameless
//! lines, white space before a colon, lines that end in LF alone, lengths and hosts that `Connection`
//! would take away, `_` where `-` stands. And what would turn the connection into another protocol:
//! `CONNECT`, `Upgrade`, HTTP/2.
//!
//! ```text
//! Head ──complete──▶ Body(n) ──────────────────────────────────▶ Head
//!   └──chunked────▶ ChunkSize ──n──▶ ChunkData(n) ──▶ ChunkEnd ──▶ ChunkSize …
//!                      └──0──▶ LastLine ──────────────────────────▶ Head
//! ```
//!
//! All requests of one connection name the same host. What a server does with other headers
//! (`X-Forwarded-Host`) is between it and its operator, as is whom it serves behind one name.

mod framing;
mod head;

use kiln_net::{name::Name, record::Reason};

pub use framing::Requests;

/// Of one request's first line and headers.
pub const MAX_HEAD_BYTES: usize = 16 << 10;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("it does not begin as an HTTP/1 request does")]
    NotHttp,
    #[error("{0}")]
    Malformed(&'static str),
    #[error("a request's head is longer than {MAX_HEAD_BYTES} bytes")]
    TooLong,
    #[error("a request does not name its host")]
    NoHost,
    #[error("{0:?} is no host name")]
    NoName(String),
    #[error("a request names another port, {0}")]
    OtherPort(u16),
    #[error("a later request names another host, {0}")]
    OtherHost(Name),
}

impl Unread {
    pub fn reason(&self) -> Reason {
        match self {
            Self::NotHttp => Reason::NotTheProtocol,
            Self::Malformed(_) => Reason::Malformed,
            Self::TooLong => Reason::Limit,
            Self::NoHost | Self::NoName(_) => Reason::NoServerName,
            Self::OtherPort(_) | Self::OtherHost(_) => Reason::OtherServerName,
        }
    }

    /// What it named instead.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::NoName(name) => Some(name.clone()),
            Self::OtherHost(name) => Some(name.to_string()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
