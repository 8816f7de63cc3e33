//! What must be on a machine before anything else works.

mod clients;
mod packages;
mod tools;

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

pub(crate) use self::{clients::registry_clients, tools::cargo_deny};

/// Programs that no distribution carries.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) vhost_device_vsock: PathBuf,
}

impl Tools {
    /// Copies in `directory`: kilnd has no privileges, and may not come to where ours are.
    pub(crate) fn within_reach(&self, directory: &Path) -> anyhow::Result<Self> {
        let copy = directory.join("vhost-device-vsock");
        fs::copy(&self.vhost_device_vsock, &copy).context("a copy of vhost-device-vsock")?;
        fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
        Ok(Self { vhost_device_vsock: copy })
    }
}

/// Installs what is missing; quick when nothing is.
pub(crate) fn setup() -> anyhow::Result<Tools> {
    packages::install()?;
    Ok(Tools { vhost_device_vsock: tools::vhost_device_vsock()? })
}
