//! The machine as the command finds it: what docker would have set up outside.

mod host_name;
mod kernel;
mod loopback;
mod mounts;
mod power;

use std::io;

use self::mounts::MountError;
pub(crate) use self::{
    mounts::make_directories,
    power::{End, switch_off},
};
use crate::settings::Settings;

#[derive(Debug, thiserror::Error)]
pub(crate) enum BootError {
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error("the hostname cannot be set")]
    HostName(#[source] io::Error),
}

/// What is missing and can be done without is told to `note`. The hostname is returned.
pub(crate) fn set_up(
    settings: &Settings,
    note: &mut dyn FnMut(String),
) -> Result<String, BootError> {
    mounts::kernel(note)?;
    mounts::memory(&settings.memory)?;
    kernel::arrange(note);
    let name = host_name::set(settings.hostname.as_deref()).map_err(BootError::HostName)?;
    if let Err(error) = loopback::bring_up() {
        note(format!("the loopback interface stays down: {error}"));
    }
    Ok(name)
}
