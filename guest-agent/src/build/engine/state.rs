//! The disk of the engine's state.

use std::path::Path;

use rustix::mount::{MountFlags, mount};

use super::error::EngineError;
use crate::disks::Disks;

/// It lives as long as its VM: what a crash of the guest would leave on it nobody will read. No
/// barriers, and no thread that initialises what will not be used.
const OPTIONS: &std::ffi::CStr = c"nobarrier,noinit_itable";

/// Mounts the disk, an empty ext4, where the engine looks for its state. May block.
pub(super) fn mount_state(
    disks: &dyn Disks,
    disk: &str,
    directory: &Path,
    mounts: bool,
) -> Result<(), EngineError> {
    let device = disks.find(disk)?;
    let failed = |source| EngineError::Mount { directory: directory.to_owned(), source };
    std::fs::create_dir_all(directory).map_err(failed)?;
    if mounts {
        // Layers have devices and set-user-ID programs in them.
        mount(&device, directory, "ext4", MountFlags::NOATIME, OPTIONS)
            .map_err(|errno| failed(errno.into()))?;
    }
    Ok(())
}
