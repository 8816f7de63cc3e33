//! `/etc/resolv.conf`, which is nobody else's: the image's own was removed at the boot.

use std::{fs, path::Path};

use super::{Network, NetworkError};

const PATH: &str = "/etc/resolv.conf";

pub(super) fn write(network: &Network) -> Result<(), NetworkError> {
    let path = Path::new(PATH);
    fs::write(path, text(network))
        .map_err(|source| NetworkError::Write { path: path.to_owned(), source })
}

/// Over IPv4 alone where there is IPv4, which is always: the gateway's other address is the same
/// resolver.
pub(super) fn text(network: &Network) -> String {
    format!("nameserver {}\n", network.ipv4.gateway)
}
