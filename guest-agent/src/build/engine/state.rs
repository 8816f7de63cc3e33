//! The disk of the engine's state, and what of it is on no disk.

use std::path::Path;

use rustix::mount::{MountFlags, mount};

use super::error::EngineError;
use crate::{
    boot::{NO_PROGRAMS, attach},
    disks::Disks,
};

/// It lives as long as its VM: what a crash of the guest would leave on it nobody will read. No
/// barriers, and no thread that initialises what will not be used.
const OPTIONS: &std::ffi::CStr = c"nobarrier,noinit_itable";

/// What runs a step is told there what its environment is, secrets and all. It would be in blocks of the
/// disk long after it was removed.
const STEPS: &str = "buildkit/executor";
/// Of a step there are some ten kilobytes.
const STEPS_OPTIONS: &std::ffi::CStr = c"size=32m,mode=0711";

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
        let steps = directory.join(STEPS);
        std::fs::create_dir_all(&steps).map_err(failed)?;
        attach("tmpfs", "tmpfs", &steps.display().to_string(), NO_PROGRAMS, STEPS_OPTIONS)
            .map_err(|error| failed(std::io::Error::other(error)))?;
    }
    Ok(())
}
