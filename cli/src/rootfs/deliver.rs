//! What was made, on its way to its place.

use crate::{
    build::outputs::{Delivery, fetch},
    daemon::Daemon,
    download::{DownloadError, Place},
    exit_code,
    progress::Progress,
    record::{Job, State},
    report,
    run::signals::Signals,
};

/// Looked at before anything was begun.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) to: Place,
    pub(crate) metadata: Option<Place>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliverError {
    #[error("kilnd's record of job {id} has no root filesystem")]
    NoRecord { id: String },
    #[error(transparent)]
    Download(#[from] DownloadError),
}

/// What to exit with: the job's own code, when that is not 0.
pub(crate) async fn deliver(
    daemon: &Daemon,
    job: &Job,
    places: &Places,
    signals: &mut Signals,
    is_quiet: bool,
) -> Result<u8, DeliverError> {
    if job.state != State::Completed {
        return Ok(job.exit_code.unwrap_or(exit_code::KILN));
    }
    let id = &job.id;
    let Some(made) = &job.rootfs else {
        return Err(DeliverError::NoRecord { id: id.clone() });
    };
    let Places { to, metadata } = places.clone();
    let mut deliveries = vec![Delivery { artifact: made.artifact.clone(), to }];
    deliveries.extend(metadata.map(|to| Delivery { artifact: made.metadata.clone(), to }));
    let progress = Progress::start(is_quiet);
    progress.say("bringing it here");
    let fetched = tokio::select! {
        fetched = fetch(daemon, id, &deliveries, &progress) => Some(fetched),
        // Leaving this function removes what is not whole.
        () = signals.next() => None,
    };
    progress.clear();
    match fetched {
        Some(fetched) => Ok(fetched.map(|()| exit_code::DONE)?),
        None => {
            report::error(&format!(
                "left before all of it was here; `kiln job outputs {id}` lists what there is",
            ));
            Ok(exit_code::CANCELLED)
        }
    }
}
