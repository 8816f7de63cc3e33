//! The way to the host.

use std::{net::SocketAddr, time::Duration};

use kiln_net::{name::Name, record::Reason};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::connection::Refusal;
use crate::gateway::Gateway;

/// For all addresses together.
const LIMIT: Duration = Duration::from_secs(10);
const MAX_ADDRESSES: usize = 4;

/// Where the guest wanted to go, and then the other addresses of that name and family.
pub(super) async fn dial(
    gateway: &Gateway,
    name: &Name,
    destination: SocketAddr,
) -> Result<(TcpStream, SocketAddr), Refusal> {
    let mut addresses = vec![destination];
    let others = gateway.admitted.addresses(name).into_iter().filter(|address| {
        *address != destination.ip()
            && address.is_ipv4() == destination.is_ipv4()
            && !gateway.never(*address)
    });
    addresses.extend(others.map(|address| SocketAddr::new(address, destination.port())));
    addresses.truncate(MAX_ADDRESSES);

    let until = Instant::now() + LIMIT;
    let count = addresses.len();
    for (index, address) in addresses.into_iter().enumerate() {
        // One that is silent leaves time for the rest.
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(count - index).unwrap_or(1);
        if let Ok(Ok(stream)) = timeout(share, TcpStream::connect(address)).await {
            let _ = stream.set_nodelay(true);
            return Ok((stream, address));
        }
    }
    Err(Refusal::new(Reason::Unreachable).of(Some(name)))
}
