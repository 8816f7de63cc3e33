//! Becoming root for the few things that need it.

use std::{ffi::OsStr, process::Command};

/// A command that runs as root: through sudo when we are somebody else.
pub(crate) fn as_root(program: impl AsRef<OsStr>) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut sudo = Command::new("sudo");
    sudo.arg("--preserve-env").arg("--").arg(program);
    sudo
}

/// Whom a kilnd that we start becomes: us, or a number that is nobody's where we are root.
pub(crate) fn ordinary_user() -> u32 {
    const NOBODYS: u32 = 64_999;
    if is_root() { NOBODYS } else { rustix::process::geteuid().as_raw() }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
