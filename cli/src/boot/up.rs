//! `--until-up`: the moment when a machine is up.

use crate::daemon::{Daemon, DaemonError};

/// For ever, where it ends without being up: that is told by its end.
///
/// # Cancel safety
/// Safe: nothing is consumed.
pub(super) async fn wait(daemon: &Daemon, id: &str) -> Result<(), DaemonError> {
    let mut patience = daemon.patience();
    loop {
        let watched = async {
            let mut changes = daemon.changes(id).await?;
            while let Some(change) = changes.message().await.map_err(|s| daemon.error(&s))? {
                patience.restore();
                let boot = change.job.and_then(|job| job.boot);
                if boot.is_some_and(|boot| !boot.state.is_empty()) {
                    return Ok(true);
                }
            }
            let job = daemon.job(id).await?;
            if job.has_ended() { Ok(false) } else { Err(daemon.cut_short("the watch of the job")) }
        };
        match watched.await {
            Ok(true) => return Ok(()),
            Ok(false) => std::future::pending().await,
            Err(error) => patience.endure(error).await?,
        }
    }
}
