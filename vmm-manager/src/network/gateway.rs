//! kilnd's side of one machine's gateway: what the gateway can't do itself is done for it.
//!
//! ```text
//! run/gateway.sock ──▶ session: hello ──▶ asks, line by line ──▶ resolve ─▶ the host's resolvers
//!       ▲                                                    ├─▶ admit ───▶ the kernel, many at once
//!       │ closed, broken: again, after a pause               ├─▶ dial ────▶ an endpoint, and a stream
//!       │                                                    │             of its own to the socket
//!       └────────────────── for as long as the machine lives └─▶ registry ▶ likewise, to the host's own
//! ```
//!
//! A gateway reads what a guest writes, so it may be the guest's some day. What it could do then is
//! what stands here: ask the host's resolvers, at a bounded pace; open what the machine's policy
//! lets the kernel open; connect to the endpoints that the operator opened for this machine, by name;
//! and speak to the host's registry as this machine, since it is asked on this machine's socket. Its lines are bounded, what it may have open at once is bounded, and who does not read our
//! answers is not read either. *Failure paths*: one that breaks the rules is let go of, and met again
//! after a pause; nothing of it is kept. When kilnd dies, the gateway goes on with what is admitted.

mod admissions;
mod lines;
mod pace;
mod registry;
mod session;
mod streams;

use std::{path::PathBuf, sync::Arc, time::Duration};

use kiln_net::control::SOCKET;
use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{admissions::Admissions, session::SessionError, streams::Streams};
pub(crate) use self::{admissions::Admit, registry::GuestRegistry};
use super::{endpoints::Endpoints, upstream::Upstreams};
use crate::host;

/// Between two attempts; a gateway that has just been started is not listening yet.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What a gateway may ask for.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) upstreams: Arc<Upstreams>,
    /// Those of this machine.
    pub(crate) endpoints: Endpoints,
    /// Of this machine.
    pub(crate) admit: Arc<dyn Admit>,
    /// As this machine has it.
    pub(crate) registry: Option<Arc<dyn GuestRegistry>>,
}

/// The task of one machine. Dropped, it ends with all that it has open.
#[derive(Debug)]
pub(crate) struct Gateway {
    end: CancellationToken,
    tasks: TaskTracker,
}

impl Gateway {
    /// Within a runtime. `directory` is the machine's.
    pub(crate) fn serve(directory: &std::path::Path, services: Services) -> Self {
        let (end, tasks) = (CancellationToken::new(), TaskTracker::new());
        let socket = directory.join(SOCKET);
        let streams = Streams::new(socket.clone(), end.clone(), tasks.clone());
        let serving = again_and_again(socket, services, streams);
        tasks.spawn(end.clone().run_until_cancelled_owned(serving));
        Self { end, tasks }
    }

    /// When it returns nothing of it is open.
    pub(crate) async fn end(self) {
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

async fn again_and_again(socket: PathBuf, services: Services, streams: Streams) {
    let Services { upstreams, endpoints, admit, registry } = services;
    let (admissions, admitting) = Admissions::new(admit);
    let asked = session::Asked { upstreams, endpoints, admissions, registry, streams };
    let sessions = async {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            if let Err(error) = meet(&socket, &asked).await {
                tracing::debug!(socket = %socket.display(), %error, "no gateway is heard");
            }
            let was_held = began.elapsed() > LONGEST_PAUSE;
            pause = if was_held { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            sleep(pause).await;
        }
    };
    tokio::join!(sessions, admitting.run());
}

/// One conversation, to its end.
async fn meet(socket: &std::path::Path, asked: &session::Asked) -> Result<(), SessionError> {
    let stream = host::connect(socket).await.map_err(SessionError::Io)?;
    let held = session::hold(stream, asked).await;
    if let Err(error) = &held
        && error.breaks_the_rules()
    {
        tracing::warn!(socket = %socket.display(), %error, "a gateway breaks the rules");
    }
    held
}

#[cfg(test)]
mod tests;
