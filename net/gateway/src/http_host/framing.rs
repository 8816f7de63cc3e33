//! Where each request begins and ends.

use kiln_net::name::Name;

use super::{
    MAX_HEAD_BYTES, Unread,
    head::{self, Body, is_token},
};

/// 16 digits are what fits.
const MAX_SIZE_DIGITS: usize = 16;

/// All that a client sends on one connection.
#[derive(Debug)]
pub struct Requests {
    port: u16,
    /// What the first request named; all others have to.
    host: Option<Name>,
    at: At,
}

#[derive(Debug)]
enum At {
    /// Held until it is whole.
    Head(Vec<u8>),
    Body(u64),
    ChunkSize {
        size: u64,
        digits: usize,
    },
    /// Behind CR, before LF.
    ChunkSizeEnd {
        size: u64,
    },
    ChunkData(u64),
    /// CR LF behind a chunk; how much of it has come.
    ChunkEnd(usize),
    /// CR LF behind the last.
    LastLine(usize),
}

impl Requests {
    /// On a connection to `port`.
    pub fn new(port: u16) -> Self {
        Self { port, host: None, at: At::Head(Vec::new()) }
    }

    /// Known from the first request on.
    pub fn host(&self) -> Option<&Name> {
        self.host.as_ref()
    }

    /// Takes `bytes` in and appends to `passed` what may be passed on, as it came: `passed` gets
    /// what is held here, at most [`MAX_HEAD_BYTES`], and `bytes`. After an error nothing may be,
    /// also of what it had appended.
    pub fn push(&mut self, mut bytes: &[u8], passed: &mut Vec<u8>) -> Result<(), Unread> {
        while let [first, ..] = bytes {
            let first = *first;
            bytes = match &mut self.at {
                At::Head(_) => self.take_head(bytes, passed)?,
                At::Body(left) | At::ChunkData(left) => {
                    let took = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= took as u64;
                    if *left == 0 {
                        self.at = match self.at {
                            At::ChunkData(_) => At::ChunkEnd(0),
                            _ => At::Head(Vec::new()),
                        };
                    }
                    passed.extend_from_slice(&bytes[..took]);
                    &bytes[took..]
                }
                _ => {
                    self.take_frame(first)?;
                    passed.push(first);
                    &bytes[1..]
                }
            };
        }
        Ok(())
    }

    /// Whether a head has begun and not ended.
    pub fn in_head(&self) -> bool {
        matches!(&self.at, At::Head(held) if !held.is_empty())
    }

    /// Whether the client may end here.
    pub fn between(&self) -> bool {
        matches!(&self.at, At::Head(held) if held.is_empty())
    }

    fn take_head<'a>(&mut self, bytes: &'a [u8], passed: &mut Vec<u8>) -> Result<&'a [u8], Unread> {
        const END: &[u8] = b"\r\n\r\n";
        let At::Head(held) = &mut self.at else { return Ok(bytes) };
        let before = held.len();
        let room = MAX_HEAD_BYTES - before;
        held.extend_from_slice(&bytes[..bytes.len().min(room)]);
        // Its end may have begun in what was held.
        let from = before.saturating_sub(END.len() - 1);
        let end = held[from..].windows(END.len()).position(|window| window == END);
        let Some(end) = end.map(|end| from + end + END.len()) else {
            check_beginning(held)?;
            return if bytes.len() >= room { Err(Unread::TooLong) } else { Ok(&[]) };
        };
        let head = head::read(&held[..end], self.port)?;
        match &self.host {
            Some(host) if *host != head.host => return Err(Unread::OtherHost(head.host)),
            _ => self.host = Some(head.host),
        }
        passed.extend_from_slice(&held[..end]);
        self.at = match head.body {
            Body::Counted(0) => At::Head(Vec::new()),
            Body::Counted(length) => At::Body(length),
            Body::Chunked => At::ChunkSize { size: 0, digits: 0 },
        };
        Ok(&bytes[end - before..])
    }

    /// One byte between chunks.
    fn take_frame(&mut self, byte: u8) -> Result<(), Unread> {
        let malformed = Unread::Malformed;
        self.at = match (&self.at, byte) {
            (&At::ChunkSize { size, digits }, digit) if digit.is_ascii_hexdigit() => {
                if digits >= MAX_SIZE_DIGITS {
                    return Err(malformed("a chunk's size has more than 16 digits"));
                }
                let value = char::from(digit).to_digit(16).unwrap_or_default();
                At::ChunkSize { size: size << 4 | u64::from(value), digits: digits + 1 }
            }
            (&At::ChunkSize { size, digits: 1.. }, b'\r') => At::ChunkSizeEnd { size },
            (At::ChunkSizeEnd { size: 0 }, b'\n') => At::LastLine(0),
            (&At::ChunkSizeEnd { size }, b'\n') => At::ChunkData(size),
            (At::ChunkSize { .. } | At::ChunkSizeEnd { .. }, _) => {
                return Err(malformed("a chunk's size is more than its digits"));
            }
            (At::ChunkEnd(0), b'\r') => At::ChunkEnd(1),
            (At::ChunkEnd(1), b'\n') => At::ChunkSize { size: 0, digits: 0 },
            (At::LastLine(0), b'\r') => At::LastLine(1),
            (At::LastLine(1), b'\n') => At::Head(Vec::new()),
            (At::LastLine(_), _) => return Err(malformed("a trailer behind the last chunk")),
            _ => return Err(malformed("a chunk is longer than its size")),
        };
        Ok(())
    }
}

/// What is no request is known early, so that nobody waits for the end of a head that never comes.
fn check_beginning(held: &[u8]) -> Result<(), Unread> {
    let word = &held[..held.len().min(head::MAX_METHOD_BYTES + 1)];
    match word.iter().position(|byte| !is_token(*byte)) {
        None if word.len() <= head::MAX_METHOD_BYTES => Ok(()),
        Some(at @ 1..) if word[at] == b' ' => Ok(()),
        _ => Err(Unread::NotHttp),
    }
}
