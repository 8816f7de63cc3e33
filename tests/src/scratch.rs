//! A scratch disk as the daemon makes one.

use std::{fs::OpenOptions, path::Path};

use kiln_vmm_manager::disk::Disks;

/// Of a file that is not there yet.
pub(crate) async fn scratch(path: &Path, bytes: u64) -> anyhow::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.set_len(bytes)?;
    Ok(Disks::only(path.to_owned()).format().await?)
}
