//! A network as a machine has it, and what listens there.

use std::{
    fs::File,
    net::{TcpListener, UdpSocket},
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd, RawFd},
        unix::{fs::MetadataExt as _, net::UnixListener},
    },
    path::Path,
};

use crate::{
    machine::above,
    probe::{CONTROL, TCP, TCP6, UDP, UDP6},
};

/// Gone with its descriptors.
pub(crate) struct Network {
    pub(crate) namespace: OwnedFd,
    parts: Vec<(OwnedFd, RawFd)>,
    /// Of what listens there.
    pub(crate) tcp: std::net::SocketAddr,
}

impl Network {
    /// Made by a thread that is in it and ends.
    pub(crate) fn new() -> Self {
        std::thread::spawn(|| {
            // SAFETY: it parts this thread alone from the network of the others.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0);
            loopback_up();
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = tcp.local_addr().unwrap();
            let parts: Vec<(OwnedFd, RawFd)> = vec![
                (UdpSocket::bind("127.0.0.1:0").unwrap().into(), UDP),
                (tcp.into(), TCP),
                (UdpSocket::bind("[::1]:0").unwrap().into(), UDP6),
                (TcpListener::bind("[::1]:0").unwrap().into(), TCP6),
            ];
            let parts = parts.into_iter().map(|(part, number)| (above(part), number)).collect();
            let namespace = above(File::open("/proc/thread-self/ns/net").unwrap());
            Self { namespace, parts, tcp: address }
        })
        .join()
        .unwrap()
    }

    /// As well with a socket for daemons.
    pub(crate) fn with_control(mut self, path: &Path) -> Self {
        self.parts.push((above(UnixListener::bind(path).unwrap()), CONTROL));
        self
    }

    pub(crate) fn parts(&self) -> Vec<(BorrowedFd<'_>, RawFd)> {
        self.parts.iter().map(|(part, number)| (part.as_fd(), *number)).collect()
    }

    pub(crate) fn inode(&self) -> u64 {
        File::from(self.namespace.try_clone().unwrap()).metadata().unwrap().ino()
    }
}

fn loopback_up() {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // SAFETY: it is plain memory, and lives across the call.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, byte) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = byte.cast_signed();
        }
        request.ifr_ifru.ifru_flags = libc::IFF_UP.try_into().unwrap();
        let socket = std::os::fd::AsRawFd::as_raw_fd(&socket);
        assert_eq!(libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request), 0);
    }
}
