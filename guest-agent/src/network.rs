//! The guest's network: one device, one gateway, which is its resolver too.
//!
//! ```text
//! device by its MAC ─▶ sysctls ─▶ link up ─▶ addresses ─▶ gateway's MAC ─▶ default routes ─▶ resolver
//! ```
//!
//! *Happy path*: all of it is done before the first hello is answered, and so before anything of the
//! job runs. *Failure path*: the hello fails and says what was refused; a guest that was told of a
//! network has one.
//!
//! What a job with root makes of its network afterwards is its own affair: nothing here protects
//! anybody. The other end of the link does.

mod device;
mod link;
mod message;
mod netlink;
mod resolver;

use std::{io, path::PathBuf};

#[cfg(test)]
pub(crate) use self::link::Link;
pub(crate) use self::link::Network;
use self::{device::Device, netlink::Netlink};

#[derive(Debug, thiserror::Error)]
pub(crate) enum NetworkError {
    #[error(
        "no network device has the address {mac}; there are: {}",
        if found.is_empty() { "none".to_owned() } else { found.join(", ") }
    )]
    NoDevice { mac: String, found: Vec<String> },
    #[error("the list of network devices cannot be read")]
    Devices(#[source] io::Error),
    #[error("the kernel's network cannot be spoken to")]
    Netlink(#[source] io::Error),
    #[error("{what} of {device} cannot be set")]
    Refused { what: &'static str, device: String, source: io::Error },
    #[error("{path} cannot be written")]
    Write { path: PathBuf, source: io::Error },
}

/// May block. Done twice, it is as if done once.
pub(crate) fn set_up(network: &Network) -> Result<(), NetworkError> {
    configure(network)?;
    resolver::write(network)
}

fn configure(network: &Network) -> Result<(), NetworkError> {
    let device = Device::find(network.mac)?;
    device.set_up_ipv6(network.ipv6.is_some())?;
    let mut netlink = Netlink::open().map_err(NetworkError::Netlink)?;
    for (what, request) in link::requests(network, device.index) {
        netlink.ask(&request).map_err(|source| NetworkError::Refused {
            what,
            device: device.name.clone(),
            source,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
