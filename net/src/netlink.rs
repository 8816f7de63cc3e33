//! The kernel's links, addresses, routes, neighbours and rules. This module alone speaks rtnetlink.
//!
//! A request is one message that the kernel acknowledges or answers before the send returns; a dump
//! is answered by many, the last of which says that it is. A socket belongs to the namespace in which
//! it was opened, whichever thread uses it later.

mod address;
mod attribute;
mod event;
mod link;
mod message;
mod neighbour;
mod route;
mod rule;

pub use self::{
    address::Address,
    event::{Event, Events},
    link::{Link, Mac},
    route::{Covering, Route, RouteKind},
    rule::{Action, Rule},
};

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink,
    recv, send, socket_with,
};

use self::{
    attribute::attributes,
    message::{DONE, ERROR, HEADER_BYTES, Message, Part, parts},
};

/// Marks what we made among rules and routes, whose only room for a name is a number: in the range
/// that is everybody's, and not one of those that a known daemon uses.
pub const PROTOCOL: u8 = 75;

/// As much as the kernel puts into one answer.
const BUFFER_BYTES: usize = 64 << 10;
const SOL_NETLINK: libc::c_int = 270;
const NETLINK_CAP_ACK: libc::c_int = 10;
const NETLINK_EXT_ACK: libc::c_int = 11;
const NETLINK_GET_STRICT_CHK: libc::c_int = 12;
/// In flags of an acknowledgement: words follow.
const ACK_TLVS: u16 = 0x200;
const ACK_MESSAGE: u16 = 1;

/// A conversation with the kernel about one namespace.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

/// What the kernel has refused.
#[derive(Debug, thiserror::Error)]
#[error("{what}{}", said.as_ref().map(|said| format!(" ({said})")).unwrap_or_default())]
pub struct NetlinkError {
    /// Which was asked for, and of what.
    pub what: String,
    /// The kernel's own words, where it has any.
    pub said: Option<String>,
    pub source: io::Error,
}

impl NetlinkError {
    pub fn errno(&self) -> i32 {
        self.source.raw_os_error().unwrap_or(libc::EIO)
    }
}

/// Whether what was asked for was there already, or was gone.
pub(crate) fn unless(errno: i32, result: Result<(), NetlinkError>) -> Result<(), NetlinkError> {
    match result {
        Err(error) if error.errno() == errno => Ok(()),
        other => other,
    }
}

impl Netlink {
    /// In the calling thread's namespace.
    pub fn open() -> io::Result<Self> {
        let socket = socket(0, SocketFlags::CLOEXEC)?;
        for option in [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK] {
            // An old kernel has fewer words for us; that is all.
            let _old = set(&socket, option);
        }
        Ok(Self { socket, sequence: 0, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Asks for something to be done.
    fn order(&mut self, message: Message, what: impl Fn() -> String) -> Result<(), NetlinkError> {
        self.talk(message, &mut |_| {}, &what)
    }

    /// Asks for something to be told; `each` sees one answer at a time: its kind and what follows
    /// the header.
    fn ask(
        &mut self,
        message: Message,
        mut each: impl FnMut(u16, &[u8]),
        what: impl Fn() -> String,
    ) -> Result<(), NetlinkError> {
        self.talk(message, &mut |part| each(part.kind, part.body), &what)
    }

    fn talk(
        &mut self,
        message: Message,
        each: &mut dyn FnMut(&Part<'_>),
        what: &dyn Fn() -> String,
    ) -> Result<(), NetlinkError> {
        let failed = |source: io::Error| NetlinkError { what: what(), said: None, source };
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = message.finish(self.sequence);
        send(&self.socket, &bytes, SendFlags::empty()).map_err(|error| failed(error.into()))?;
        loop {
            let (received, whole) = recv(&self.socket, &mut *self.buffer, RecvFlags::TRUNC)
                .map_err(|error| failed(error.into()))?;
            let datagram = self.buffer.get(..received).unwrap_or_default();
            if whole > received {
                return Err(failed(io::ErrorKind::FileTooLarge.into()));
            }
            for part in parts(datagram) {
                // Of a conversation that broke off.
                if part.sequence != self.sequence {
                    continue;
                }
                match part.kind {
                    DONE => return Ok(()),
                    ERROR => return acknowledged(&part, what),
                    _ => each(&part),
                }
            }
        }
    }
}

/// Errors and the end of what has no other are told alike: by a number, which is 0.
fn acknowledged(part: &Part<'_>, what: &dyn Fn() -> String) -> Result<(), NetlinkError> {
    let number = part.body.first_chunk().map_or(-libc::EIO, |bytes| i32::from_ne_bytes(*bytes));
    if number == 0 {
        return Ok(());
    }
    let words = part.body.get(4 + HEADER_BYTES..).filter(|_| part.flags & ACK_TLVS != 0);
    let said = words.and_then(|words| {
        let (_, text) = attributes(words).find(|(kind, _)| *kind == ACK_MESSAGE)?;
        let text = text.strip_suffix(&[0]).unwrap_or(text);
        Some(String::from_utf8_lossy(text).into_owned())
    });
    Err(NetlinkError { what: what(), said, source: io::Error::from_raw_os_error(-number) })
}

/// One that hears of `groups`.
fn socket(groups: u32, flags: SocketFlags) -> io::Result<OwnedFd> {
    // The first of the family's protocols is that of routes.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

fn set(socket: &OwnedFd, option: libc::c_int) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;

    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on)).map_err(io::Error::other)?;
    // SAFETY: the value lives across the call and has the length that is told.
    let failed = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            SOL_NETLINK,
            option,
            (&raw const on).cast(),
            length,
        )
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
