//! What is brought here of a build that has completed.

use super::exports::Delivery;
use crate::{
    daemon::Daemon,
    download::{DownloadError, Place, download_artifact},
    progress::Progress,
};

/// # Cancel safety
/// Safe: each is where it should be, or not at all.
pub(super) async fn fetch(
    daemon: &Daemon,
    job: &str,
    deliveries: &[Delivery],
    progress: &Progress,
) -> Result<(), DownloadError> {
    for Delivery { artifact, to } in deliveries {
        download_artifact(daemon, job, artifact, to, progress).await?;
        match to {
            Place::Stdout => {}
            Place::Docker(_) => progress.notice("loaded into docker"),
            Place::Directory { path, .. } => {
                progress.notice(&format!("written to {}/", path.display()));
            }
            Place::File(path) => progress.notice(&format!("written to {}", path.display())),
        }
    }
    Ok(())
}
