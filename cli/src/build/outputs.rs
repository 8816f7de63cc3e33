//! What is brought here of a job that has completed.

use crate::{
    daemon::Daemon,
    download::{DownloadError, Place, download_artifact},
    progress::Progress,
};

/// An artifact, and where it goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) artifact: String,
    pub(crate) to: Place,
}

/// # Cancel safety
/// Safe: each is where it should be, or not at all.
pub(crate) async fn fetch(
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
            Place::File(path) | Place::Device(path) => {
                progress.notice(&format!("written to {}", path.display()));
            }
        }
    }
    Ok(())
}
