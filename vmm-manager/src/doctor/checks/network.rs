//! Links and rules for networks of VMs, in a network namespace that is gone afterwards. No job has a
//! network yet: what is missing here keeps none from running.

use std::{fs::OpenOptions, io, os::fd::AsRawFd as _, process::Command, thread};

use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::program::run;
use crate::doctor::report::{Area, Check};

const TAP: &str = "TAP";
const NFT: &str = "nftables";
const DEVICE: &str = "/dev/net/tun";
const LINK: &[u8] = b"kiln-doctor";
const TABLE: &str = "kiln-doctor";
/// `_IOW('T', 202, int)` and `_IOR('T', 210, unsigned int)`.
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNGETIFF: libc::c_ulong = 0x8004_54d2;

pub(super) fn checks(is_root: bool) -> Vec<Check> {
    // The namespace is the thread's alone, and goes with it.
    let tried = thread::spawn(|| {
        // SAFETY: it changes the network namespace of this thread, in which nothing is open.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
        Ok::<_, io::Error>((tap(), nft()))
    });
    let (tap, nft) = match tried.join() {
        Ok(Ok(tried)) => tried,
        Ok(Err(error)) => {
            let found = format!("no network namespace to try it in: {error}");
            let mend = if is_root { "use a kernel with CONFIG_NET_NS" } else { "run as root" };
            let untried = |name| Check::note(Area::Network, name, found.clone()).mend(mend);
            return vec![untried(TAP), untried(NFT)];
        }
        Err(_panicked) => return Vec::new(),
    };
    vec![
        match tap {
            Ok(()) => Check::ok(Area::Network, TAP, "made with IFF_VNET_HDR and removed"),
            Err(error) => Check::note(Area::Network, TAP, format!("cannot be made: {error}"))
                .mend("load tun (modprobe tun); only networks of VMs need it"),
        },
        match nft {
            Ok(()) => Check::ok(Area::Network, NFT, "a table was made, read back and removed"),
            Err(reason) => Check::note(Area::Network, NFT, format!("nft: {reason}"))
                .mend("install nftables; only networks of VMs need it"),
        },
    ]
}

/// Makes a link as a VMM is given one. It goes when its descriptor is closed.
fn tap() -> io::Result<()> {
    let device = OpenOptions::new().read(true).write(true).open(DEVICE)?;
    // SAFETY: all zero is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(LINK) {
        *to = from.cast_signed();
    }
    let asked = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request.ifr_ifru.ifru_flags = i16::try_from(asked).map_err(io::Error::other)?;
    // SAFETY: the structure is the one that the request reads and writes.
    if unsafe { libc::ioctl(device.as_raw_fd(), TUNSETIFF, &raw mut request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the same.
    if unsafe { libc::ioctl(device.as_raw_fd(), TUNGETIFF, &raw mut request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the request has just written it.
    let flags = i32::from(unsafe { request.ifr_ifru.ifru_flags });
    if flags & libc::IFF_VNET_HDR == 0 {
        return Err(io::Error::other("it has no IFF_VNET_HDR"));
    }
    Ok(())
}

fn nft() -> Result<(), String> {
    let rules = format!("table inet {TABLE} {{ chain forward {{ drop; }}; }}\n");
    run(Command::new("nft").args(["-f", "-"]), rules.as_bytes())?;
    let read = run(Command::new("nft").args(["list", "table", "inet", TABLE]), b"")?;
    if !read.contains("drop") {
        return Err("the table that was made is not the one that is read back".to_owned());
    }
    run(Command::new("nft").args(["delete", "table", "inet", TABLE]), b"").map(drop)
}
