//! A scratch disk, and that of a build's engine: a sparse file whose size is the job's quota, with an
//! empty ext4 on it.
//!
//! It has no journal: nothing on it outlives the job, and what is not written costs no time.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{io, process::Command, time::timeout};

const MKFS: &str = "mke2fs";
/// It writes a few hundred KiB; a host that needs longer is not able to run a build.
const MKFS_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    #[error("{MKFS} could not be run; install e2fsprogs")]
    Spawn { source: io::Error },
    #[error("{MKFS} {path} ended with {status}: {stderr}")]
    Format { path: String, status: String, stderr: String },
    #[error("{MKFS} {path} did not end within {MKFS_LIMIT:?}")]
    Slow { path: String },
}

/// Puts an empty ext4 on it. Only ever on a file that was made just now.
pub(super) async fn format(path: &Path) -> Result<(), ScratchError> {
    let shown = path.display().to_string();
    let output = Command::new(MKFS)
        // Inode tables and zeroed blocks are holes in a fresh file already; no reserved blocks,
        // since the root of the guest is the tenant.
        .args(["-q", "-F", "-t", "ext4", "-m", "0", "-O", "^has_journal,^resize_inode"])
        .args(["-E", "nodiscard,assume_storage_prezeroed=1,lazy_itable_init=1,root_owner=0:0"])
        .arg(path)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match timeout(MKFS_LIMIT, output).await {
        Err(_) => Err(ScratchError::Slow { path: shown }),
        Ok(Err(source)) => Err(ScratchError::Spawn { source }),
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => Err(ScratchError::Format {
            path: shown,
            status: output.status.to_string(),
            stderr: String::from_utf8_lossy(&output.stderr).trim().chars().take(500).collect(),
        }),
    }
}
