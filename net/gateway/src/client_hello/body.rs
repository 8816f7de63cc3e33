//! The body of a `ClientHello`, whole.

use std::collections::HashSet;

use super::{ServerName, Unread};

const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
/// Encrypted client hello, and the draft before it.
const ENCRYPTED: [u16; 2] = [0xfe0d, 0xffce];
const RANDOM_BYTES: usize = 32;
const MAX_SESSION_BYTES: usize = 32;

pub(super) fn read(body: &[u8]) -> Result<ServerName, Unread> {
    let mut body = Bytes(body);
    if body.two()? >> 8 != 3 {
        return Err(Unread::Malformed("its version"));
    }
    body.take(RANDOM_BYTES)?;
    if body.short()?.0.len() > MAX_SESSION_BYTES {
        return Err(Unread::Malformed("its session is longer than 32 bytes"));
    }
    let ciphers = body.long()?.0.len();
    if ciphers == 0 || ciphers % 2 != 0 {
        return Err(Unread::Malformed("its list of ciphers"));
    }
    if body.short()?.0.is_empty() {
        return Err(Unread::Malformed("its list of compressions"));
    }
    // Old clients have no extensions, and no name.
    if body.0.is_empty() {
        return Ok(ServerName::Missing);
    }
    let extensions = body.long()?;
    body.end()?;
    read_extensions(extensions)
}

fn read_extensions(mut extensions: Bytes<'_>) -> Result<ServerName, Unread> {
    let mut kinds = HashSet::new();
    let mut name = None;
    while !extensions.0.is_empty() {
        let kind = extensions.two()?;
        let content = extensions.long()?;
        if !kinds.insert(kind) {
            return Err(Unread::Malformed("an extension comes twice"));
        }
        if kind == SERVER_NAME {
            name = Some(read_name(content)?);
        }
    }
    if ENCRYPTED.iter().any(|kind| kinds.contains(kind)) {
        let outer = match name {
            Some(ServerName::Clear(name)) => Some(name),
            _ => None,
        };
        return Ok(ServerName::Encrypted { outer });
    }
    Ok(name.unwrap_or(ServerName::Missing))
}

fn read_name(mut content: Bytes<'_>) -> Result<ServerName, Unread> {
    let mut list = content.long()?;
    content.end()?;
    if list.one()? != HOST_NAME {
        return Err(Unread::Malformed("a name of an unknown kind"));
    }
    let host = list.long()?;
    if !list.0.is_empty() {
        return Err(Unread::Malformed("more than one name"));
    }
    let Ok(text) = std::str::from_utf8(host.0) else {
        return Ok(ServerName::NoName(host.0.escape_ascii().to_string()));
    };
    // A final dot is no part of it here, and servers differ in what they make of one.
    match text.parse() {
        Ok(name) if !text.ends_with('.') => Ok(ServerName::Clear(name)),
        _ => Ok(ServerName::NoName(host.0.escape_ascii().to_string())),
    }
}

/// Taken from the front.
#[derive(Debug)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Unread> {
        let (taken, rest) =
            self.0.split_at_checked(length).ok_or(Unread::Malformed("a length is wrong"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn one(&mut self) -> Result<u8, Unread> {
        Ok(self.take(1)?[0])
    }

    fn two(&mut self) -> Result<u16, Unread> {
        let taken = self.take(2)?;
        Ok(u16::from_be_bytes([taken[0], taken[1]]))
    }

    /// What a byte says the length of.
    fn short(&mut self) -> Result<Self, Unread> {
        let length = usize::from(self.one()?);
        self.take(length).map(Self)
    }

    /// What two bytes say the length of.
    fn long(&mut self) -> Result<Self, Unread> {
        let length = usize::from(self.two()?);
        self.take(length).map(Self)
    }

    fn end(&self) -> Result<(), Unread> {
        if self.0.is_empty() { Ok(()) } else { Err(Unread::Malformed("bytes are left over")) }
    }
}
