//! What a supervisor has in its VM's directory.

use std::{fs, io, path::Path};

/// Where it listens; never longer than the names of the VM's own sockets.
pub const SOCKET: &str = "shim.sock";
/// Who it is and whom it holds, from before its first child's start.
pub const RECORD_FILE: &str = "shim.json";
/// How the machine ended.
pub const EXIT_FILE: &str = "exit.json";
/// Locked while it lives: one supervisor for a directory.
pub const LOCK_FILE: &str = "shim.lock";
/// Its stderr: empty unless it panics.
pub const LOG_FILE: &str = "shim.log";

/// Removes whatever has a name that is about to be taken: a socket, a file, a link wherever it
/// leads, an empty directory. Nothing behind a link is touched.
pub(crate) fn clear(name: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(name) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir(name),
        Ok(_) => fs::remove_file(name),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
