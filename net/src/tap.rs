//! The TAP through which a guest is connected. It is there as long as its descriptor is.

use std::{
    fs::OpenOptions,
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

const DEVICE: &str = "/dev/net/tun";
/// `_IOW('T', 202, int)` and `_IOR('T', 210, unsigned int)`.
const TUNSETIFF: libc::Ioctl = 0x4004_54ca_u32 as libc::Ioctl;
const TUNGETIFF: libc::Ioctl = 0x8004_54d2_u32 as libc::Ioctl;
/// Frames as they are, each after a header that tells what is left to do of it.
const FLAGS: i32 = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;

/// Makes one in the namespace that the calling thread is in, and looks whether it is what was asked
/// for. It is not up.
pub fn make(name: &str) -> io::Result<OwnedFd> {
    let device = OpenOptions::new().read(true).write(true).open(DEVICE)?;
    // SAFETY: all zero is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    let mut ask = |what, flags: i32| {
        request.ifr_ifru.ifru_flags = i16::try_from(flags).map_err(io::Error::other)?;
        // SAFETY: the structure is the one that these requests read and write.
        if unsafe { libc::ioctl(device.as_raw_fd(), what, &raw mut request) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: one of ours or of the request's.
        Ok(i32::from(unsafe { request.ifr_ifru.ifru_flags }))
    };
    ask(TUNSETIFF, FLAGS)?;
    let made = ask(TUNGETIFF, 0)?;
    if made & FLAGS == FLAGS && made & libc::IFF_MULTI_QUEUE == 0 {
        return Ok(device.into());
    }
    Err(io::Error::other(format!("{name} has the flags {made:#x} and not {FLAGS:#x}")))
}
