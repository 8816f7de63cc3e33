//! Frames, sent as they are.

use std::{
    fs, io, mem,
    os::fd::{AsRawFd as _, OwnedFd},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, eth, recv, send, socket_with,
    sockopt::{Timeout, set_socket_timeout},
};

use crate::Case;

/// Between two, so that no queue is what stops them.
const PAUSE: Duration = Duration::from_millis(1);
const QUIET: Duration = Duration::from_millis(200);
/// `PACKET_IGNORE_OUTGOING`
const IGNORE_OUTGOING: libc::c_int = 23;

/// One device, spoken to below its protocols.
#[derive(Debug)]
pub struct Device {
    socket: OwnedFd,
}

impl Device {
    pub fn open(name: &str) -> anyhow::Result<Self> {
        let index = fs::read_to_string(format!("/sys/class/net/{name}/ifindex"));
        let index = index.with_context(|| format!("there is no device {name}"))?.trim().parse()?;
        let (family, flags) = (AddressFamily::PACKET, SocketFlags::CLOEXEC);
        let socket = socket_with(family, SocketType::RAW, flags, Some(eth::ALL))?;
        // SAFETY: all zeroes is a valid value of this plain structure.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = u16::try_from(libc::AF_PACKET)?;
        address.sll_protocol = u16::try_from(libc::ETH_P_ALL)?.to_be();
        address.sll_ifindex = index;
        let length = u32::try_from(size_of::<libc::sockaddr_ll>())?;
        // SAFETY: the kernel reads as many bytes of the address as it has.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
        if bound != 0 {
            return Err(io::Error::last_os_error()).context("binding to the device");
        }
        let on: libc::c_int = 1;
        let length = u32::try_from(size_of::<libc::c_int>())?;
        // SAFETY: the kernel reads one integer.
        let set = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_PACKET,
                IGNORE_OUTGOING,
                (&raw const on).cast(),
                length,
            )
        };
        if set != 0 {
            return Err(io::Error::last_os_error()).context("hearing what comes alone");
        }
        set_socket_timeout(&socket, Timeout::Recv, Some(QUIET))?;
        Ok(Self { socket })
    }

    /// The next frame that comes; `None` when none did for a while.
    pub fn hear(&self) -> Option<Vec<u8>> {
        let mut frame = vec![0; 65_536];
        let (_, length) = recv(&self.socket, &mut frame[..], RecvFlags::empty()).ok()?;
        frame.truncate(length);
        Some(frame)
    }

    /// How many of them the kernel took.
    pub fn send(&self, cases: &[Case]) -> usize {
        let mut sent = 0;
        for Case { frame, .. } in cases {
            sent += usize::from(send(&self.socket, frame, SendFlags::empty()).is_ok());
            thread::sleep(PAUSE);
        }
        sent
    }
}
