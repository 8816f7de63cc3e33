//! Connections to whoever listens.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::Path,
};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

/// Connects to a port of the host; the kernel waits for two seconds at most.
pub(super) fn of_host(port: u32) -> io::Result<OwnedFd> {
    // SAFETY: plain integers.
    let socket = unsafe { libc::socket(libc::AF_VSOCK, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: all zeroes is a valid value of this plain structure.
    let mut address: libc::sockaddr_vm = unsafe { std::mem::zeroed() };
    address.svm_family = libc::sa_family_t::try_from(libc::AF_VSOCK).map_err(io::Error::other)?;
    address.svm_cid = libc::VMADDR_CID_HOST;
    address.svm_port = port;
    let length = libc::socklen_t::try_from(size_of_val(&address)).map_err(io::Error::other)?;
    // SAFETY: an address of that length.
    let connected =
        unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if connected < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
}

/// Names have no place in a file system, so they are the same whatever is mounted.
pub(super) fn of_name(name: &str) -> io::Result<OwnedFd> {
    local(&SocketAddrUnix::new_abstract_name(name.as_bytes())?)
}

pub(super) fn at(path: &Path) -> io::Result<OwnedFd> {
    local(&SocketAddrUnix::new(path)?)
}

/// Nothing here waits: of who listens, or should, the machine's own processes decide.
fn local(address: &SocketAddrUnix) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, address)?;
    Ok(socket)
}
