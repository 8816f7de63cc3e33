//! Everything that passes one interface.

use std::{
    io,
    net::IpAddr,
    os::fd::{AsRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use kiln_net::namespace::Namespace;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socket_with, sockopt};

use crate::frame::transport::Parsed;

const ALL: u16 = 3;
const ROOM: usize = 32 << 20;

pub(crate) struct Capture {
    socket: OwnedFd,
}

impl Capture {
    pub(crate) fn open(namespace: &Namespace, interface: &str) -> Self {
        let socket = namespace.enter(|| open(interface)).unwrap();
        Self { socket }
    }

    /// What has come up to now.
    pub(crate) fn frames(&self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut buffer = vec![0; 70_000];
        while let Ok((length, _)) = recv(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            frames.push(buffer[..length].to_vec());
        }
        frames
    }

    /// Waits until one that is like that has come, and gives all up to it.
    pub(crate) fn until(
        &self,
        is_last: impl Fn(&[u8]) -> bool,
        patience: Duration,
    ) -> Option<Vec<Vec<u8>>> {
        let deadline = Instant::now() + patience;
        let mut all = Vec::new();
        loop {
            for frame in self.frames() {
                let last = is_last(&frame);
                all.push(frame);
                if last {
                    return Some(all);
                }
            }
            if Instant::now() > deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// What IPv6 says of itself on any link is nothing that a guest said.
pub(crate) fn is_own_noise(frame: &[u8]) -> bool {
    Parsed::of(frame).is_some_and(|packet| match packet.from {
        IpAddr::V6(from) => from.is_unspecified() || from.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    })
}

fn open(interface: &str) -> io::Result<OwnedFd> {
    let protocol =
        std::num::NonZeroU32::new(u16::to_be(ALL).into()).map(rustix::net::Protocol::from_raw);
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, protocol)?;
    sockopt::set_socket_recv_buffer_size_force(&socket, ROOM)?;
    let index = rustix::net::netdevice::name_to_index(&socket, interface)?;
    let address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).unwrap(),
        sll_protocol: ALL.to_be(),
        sll_ifindex: i32::try_from(index).unwrap(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = u32::try_from(size_of::<libc::sockaddr_ll>()).unwrap();
    // SAFETY: the address is one, and of that length.
    if unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // What came before from other interfaces.
    let mut buffer = [0; 64];
    while recv(&socket, &mut buffer[..], RecvFlags::DONTWAIT).is_ok() {}
    Ok(socket)
}

/// Puts a frame onto the interface that is captured.
pub(crate) fn send(namespace: &Namespace, on: &Capture, frame: &[u8]) {
    let sent = namespace.enter(|| {
        rustix::net::send(&on.socket, frame, rustix::net::SendFlags::empty())
            .map_err(io::Error::from)
    });
    assert_eq!(sent.unwrap(), frame.len());
}
