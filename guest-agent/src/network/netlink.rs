//! The kernel's end of the messages.

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
    sockopt::{Timeout, set_socket_timeout},
};

use super::message::{Message, verdict};

/// The kernel answers before a message is sent; this is for one that does not.
const LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
    number: u32,
}

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        // Routes are the protocol without a number.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(LIMIT))?;
        Ok(Self { socket, number: 0 })
    }

    /// Comes back when the kernel has done it.
    pub(super) fn ask(&mut self, message: &Message) -> io::Result<()> {
        self.number += 1;
        send(&self.socket, &message.bytes(self.number), SendFlags::empty())?;
        loop {
            let mut datagram = [0; 1024];
            let (_, length) = recv(&self.socket, &mut datagram, RecvFlags::empty())?;
            if let Some(verdict) = verdict(&datagram[..length.min(1024)], self.number) {
                return verdict;
            }
        }
    }
}
