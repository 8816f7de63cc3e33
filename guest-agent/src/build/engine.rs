//! The engine, from its disk to its first answer.
//!
//! ```text
//! disk ─▶ mounted ─▶ both spawned ─▶ containerd answers ─▶ the daemon answers ─▶ checked ─▶ Ready
//!   └───────┴───────────┴────────────────┴─────────────────────┴───────────────┴▶ EngineError,
//!                                                               with the last words of who failed
//! ```
//!
//! It is started once in a guest's life, by a task that nobody's going away disturbs: whoever asks
//! waits for the same end.

mod api;
mod daemon;
mod error;
mod last_words;
mod processes;
mod settings;
mod state;
mod store;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use kiln_proto::agent::v1::{BootStep, StartEngineRequest, StartEngineResponse};
use tokio::sync::watch;
use tonic::Status;

use self::daemon::start;
pub(crate) use self::{daemon::Ready, error::EngineError};
use super::layout::Layout;
use crate::{disks::Disks, exec, milestones::Milestone};

/// What the engine is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The serial number.
    pub(super) disk: String,
    pub(super) memory_bytes: Option<u64>,
}

/// `None` until it is known.
type End = Option<Result<Arc<Ready>, Arc<EngineError>>>;

#[derive(Default)]
pub(super) struct Engine {
    begun: Mutex<Option<(Wanted, watch::Receiver<End>)>>,
}

impl Engine {
    /// Begins what was not begun before, and waits for its end.
    ///
    /// # Cancel safety
    /// The start goes on.
    pub(super) async fn start(
        &self,
        request: StartEngineRequest,
        surroundings: (Option<Arc<Layout>>, Arc<dyn Disks>, exec::Engine),
    ) -> Result<Arc<Ready>, Status> {
        let StartEngineRequest { disk, memory_bytes } = request;
        let memory_bytes = Some(memory_bytes).filter(|bytes| *bytes != 0);
        let wanted = Wanted { disk, memory_bytes };
        let following = {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            match &*begun {
                Some((before, _)) if *before != wanted => {
                    return Err(Status::invalid_argument(
                        "the engine was started before, otherwise",
                    ));
                }
                Some((_, following)) => following.clone(),
                None => {
                    let (told, following) = watch::channel(None);
                    let asked = wanted.clone();
                    tokio::spawn(async move {
                        let (layout, disks, exec) = surroundings;
                        let end = start(layout, disks, exec, asked).await;
                        told.send_replace(Some(end.map(Arc::new).map_err(Arc::new)));
                    });
                    *begun = Some((wanted, following.clone()));
                    following
                }
            }
        };
        wait(following).await.map_err(|error| Status::from(&*error))
    }

    /// Of an engine that was asked for; `None` of one that was not.
    pub(super) async fn ready(&self) -> Option<Result<Arc<Ready>, Arc<EngineError>>> {
        let following = {
            let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            begun.as_ref()?.1.clone()
        };
        Some(wait(following).await)
    }
}

async fn wait(mut following: watch::Receiver<End>) -> Result<Arc<Ready>, Arc<EngineError>> {
    match following.wait_for(Option::is_some).await.as_deref() {
        Ok(Some(end)) => end.clone(),
        // Every way out of the task tells the end, but for a panic.
        Ok(None) | Err(_) => Err(Arc::new(EngineError::Panicked)),
    }
}

impl Ready {
    pub(super) fn answer(&self, platforms: Vec<String>) -> StartEngineResponse {
        let step = |Milestone { name, at }| BootStep {
            name: String::from(name),
            monotonic_nanos: u64::try_from(at.as_nanos()).unwrap_or(u64::MAX),
        };
        StartEngineResponse {
            engine_version: word(&self.engine_version),
            steps: self.steps.iter().copied().map(step).collect(),
            platforms,
        }
    }
}

/// What the host takes for a version.
fn word(version: &str) -> String {
    let version: String = version.chars().filter(char::is_ascii_graphic).take(128).collect();
    if version.is_empty() { "unknown".to_owned() } else { version }
}

fn is_program(path: &Path) -> bool {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

#[cfg(test)]
pub(super) mod tests;
