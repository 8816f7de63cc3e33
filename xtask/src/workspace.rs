//! This repository.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Where the workspace's `Cargo.toml` is.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    // A package of the workspace lies one level below its root.
    manifest.parent().unwrap_or(manifest)
}

/// The toolchain that runs us.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// The target directory of the guest's binaries, apart from the host's.
pub(crate) fn agent_target_directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    target.map_or_else(|| root().join("target"), PathBuf::from).join("agent")
}
