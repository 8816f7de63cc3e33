//! What changes while nobody asks.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, SocketFlags, recv},
};

use super::{
    Address, BUFFER_BYTES, Covering, address,
    attribute::{attributes, number},
    link,
    message::parts,
    route, socket,
};

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE` and those of IPv6; what is configured of
/// both, which has no such names (`RTNLGRP_IPV4_NETCONF`, 24).
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400 | 1 << 23 | 1 << 24;
const CONFIGURED: u16 = 80;
const CONFIGURED_LINK: u16 = 1;
const CONFIGURED_FORWARDING: u16 = 2;
/// Of a family, padded.
const CONFIGURED_BYTES: usize = 4;
const ALL_LINKS: u32 = u32::MAX;
const NEW_LINK: u16 = 16;
const DELETED_LINK: u16 = 17;
const NEW_ADDRESS: u16 = 20;
const DELETED_ADDRESS: u16 = 21;
const NEW_ROUTE: u16 = 24;
const DELETED_ROUTE: u16 = 25;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Address {
        address: Address,
        is_there: bool,
    },
    Route {
        route: Covering,
        is_there: bool,
    },
    /// It is not up any more, or gone; of its routes of IPv4 nobody is told that they are gone too.
    LinkDown {
        index: u32,
    },
    /// Somebody has said anew whether all links forward.
    Router,
    /// There were more than had room: all has to be looked at again.
    Lost,
}

/// Of the namespace in which it was opened; readable when there are some.
#[derive(Debug)]
pub struct Events {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Events {
    pub fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Ok(Self { socket: socket(GROUPS, flags)?, buffer: vec![0; BUFFER_BYTES] })
    }

    /// All that have come, without waiting.
    pub fn drain(&mut self) -> io::Result<Vec<Event>> {
        let mut events = Vec::new();
        loop {
            match recv(&self.socket, &mut *self.buffer, RecvFlags::empty()) {
                Ok((received, _)) => {
                    let datagram = self.buffer.get(..received).unwrap_or_default();
                    events.extend(parts(datagram).filter_map(|part| event(part.kind, part.body)));
                }
                Err(Errno::NOBUFS) => events.push(Event::Lost),
                Err(Errno::AGAIN) => return Ok(events),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn event(kind: u16, body: &[u8]) -> Option<Event> {
    let is_there = matches!(kind, NEW_ADDRESS | NEW_ROUTE);
    match kind {
        NEW_LINK | DELETED_LINK => {
            let (index, is_up) = link::parse_state(body)?;
            (kind == DELETED_LINK || !is_up).then_some(Event::LinkDown { index })
        }
        NEW_ADDRESS | DELETED_ADDRESS => {
            address::parse(body).map(|address| Event::Address { address, is_there })
        }
        NEW_ROUTE | DELETED_ROUTE => {
            route::parse(body).map(|route| Event::Route { route, is_there })
        }
        CONFIGURED => {
            let of = |kind| {
                let found = attributes(body.get(CONFIGURED_BYTES..)?).find(|one| one.0 == kind);
                number(found?.1)
            };
            let is_all = of(CONFIGURED_LINK)? == ALL_LINKS && of(CONFIGURED_FORWARDING).is_some();
            is_all.then_some(Event::Router)
        }
        _ => None,
    }
}
