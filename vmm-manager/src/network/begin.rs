//! What is there before a machine's programs: the gateway's files, and the network in the kernel.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::{
        fd::OwnedFd,
        unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use kiln_net::{control::GatewayConfig, policy::Policy};
use tokio::task::spawn_blocking;

use super::Networks;
use crate::host::network::NetworkError;

const CONFIG: &str = "egress.json";
const RECORD: &str = "egress.log";
/// Of a gateway's record: some ten thousand events.
pub(super) const RECORD_BYTES: u64 = 4 << 20;

pub(super) fn config_path(directory: &Path) -> PathBuf {
    directory.join(CONFIG)
}

pub(super) fn record_path(directory: &Path) -> PathBuf {
    directory.join(RECORD)
}

/// All of it; the descriptor is the guest's end.
///
/// # Cancel safety
/// The network may be made all the same: to be awaited, and then given back.
pub(super) async fn make(
    networks: Arc<Networks>,
    job: String,
    directory: PathBuf,
    policy: Policy,
) -> Result<OwnedFd, NetworkError> {
    let plan = networks.plan(&policy);
    let config = networks.gateway_config(&directory, policy);
    let files = async {
        let written = spawn_blocking(move || write(&directory, &config)).await;
        let written = written.map_err(io::Error::other).and_then(|written| written);
        written.map_err(|source| NetworkError::Failed {
            what: "writing the files of a gateway".to_owned(),
            source,
        })
    };
    let kernel = async {
        let _not_while_others_are_removed = networks.making.read().await;
        let made = networks.kernel.make(&job, plan).await;
        if made.is_ok() {
            networks.leased().insert(job.clone());
        }
        made
    };
    // Both to their ends: whoever waits for this may give back what has been made.
    let (files, made) = tokio::join!(files, kernel);
    let (lease, tap) = made?;
    files?;
    tracing::debug!(job, interface = lease.interface, address = %lease.address, "a network is made");
    Ok(tap)
}

impl Networks {
    fn gateway_config(&self, directory: &Path, policy: Policy) -> GatewayConfig {
        GatewayConfig {
            endpoints: self.endpoints(&policy).names(),
            policy,
            link: self.config.link,
            never: self.config.never.clone(),
            connections: self.config.limits.connections,
            registry: self.registry,
            record: record_path(directory),
            record_bytes: RECORD_BYTES,
        }
    }
}

/// In a directory that only we may enter; the gateway is given each file by itself.
fn write(directory: &Path, config: &GatewayConfig) -> io::Result<()> {
    let new = |path: PathBuf| -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    };
    let mut file = new(config_path(directory))?;
    file.write_all(&serde_json::to_vec(config)?)?;
    // A gateway is a user of its own and reads it.
    file.set_permissions(Permissions::from_mode(0o644))?;
    // It is given to the gateway when that starts, as disks are to their VMM.
    new(record_path(directory))?;
    Ok(())
}
