//! Where a redirected connection was going, and how it is told no.

use std::{io, net::SocketAddr, time::Duration};

use rustix::net::sockopt;
use tokio::net::TcpStream;

pub(super) fn destination(stream: &TcpStream) -> io::Result<SocketAddr> {
    let own = stream.local_addr()?;
    let destination = match own {
        SocketAddr::V4(_) => sockopt::ip_original_dst(stream)?.into(),
        SocketAddr::V6(_) => sockopt::ipv6_original_dst(stream)?.into(),
    };
    // Whoever asks for the splice itself is not redirected, and nothing is reached so.
    if destination == own {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    }
    Ok(destination)
}

/// Closed when it is dropped, with a reset instead of an end.
pub(crate) fn reset(stream: &TcpStream) {
    // On a socket that is open it can't fail; if it did, an end would come instead.
    let _ = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}
