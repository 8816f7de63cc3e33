//! What must be on a machine before anything else works.

mod packages;
mod tools;

use std::path::PathBuf;

pub(crate) use self::tools::cargo_deny;

/// Programs that no distribution carries.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) vhost_device_vsock: PathBuf,
}

/// Installs what is missing; quick when nothing is.
pub(crate) fn setup() -> anyhow::Result<Tools> {
    packages::install()?;
    Ok(Tools { vhost_device_vsock: tools::vhost_device_vsock()? })
}
