//! An agent without a guest: the real service, on connections of the caller's, that runs commands as
//! processes of this machine. Made for tests of whoever speaks to an agent.
//!
//! What differs from a guest's agent, and nothing else does:
//! - a hello is checked and answered, and touches neither clock, entropy nor hostname;
//! - only the agent's own children are waited for, so the process may have others;
//! - commands without a control group of their own can leave theirs (see [`Settings::cgroup`]);
//! - a shutdown kills what runs and calls [`Settings::power_off`] instead of the kernel.
//!
//! Commands outlive a process that is killed, unlike those of a guest. Whoever needs them gone with
//! it makes it process 1 of a pid namespace with a `/proc` of its own:
//! `unshare --pid --fork --mount-proc --kill-child`. Starting commands takes root.

use std::{fmt, io, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_stream::{Stream, StreamExt};

use crate::{
    build::{Layout, StandInEngine},
    cgroup::Hierarchy,
    disk_watch::DiskWatch,
    disks::Disks,
    exec::Engine,
    group::Groups,
    milestones::Milestones,
    power::Power,
    reaper::Reaper,
    server::Server,
    service::{Greeting, Service},
    session::Sessions,
};

/// What was killed gets this long to be told of, as in a guest.
const ANSWERS_LIMIT: Duration = Duration::from_millis(100);

/// What an agent without a guest is given instead of one.
pub struct Settings {
    /// Where the disks are that the host names.
    pub disks: Arc<dyn Disks>,
    /// A directory of a version 2 hierarchy, in which each command gets a group; with the limits
    /// for which the directory has controllers. Without one a command is its session, found in
    /// `/proc`, and has no limits at all.
    pub cgroup: Option<PathBuf>,
    /// Without one there are no builds.
    pub engine: Option<StandInEngine>,
    /// What a shutdown does when everything has been killed.
    pub power_off: Box<dyn FnOnce() + Send>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Settings").field("cgroup", &self.cgroup).finish_non_exhaustive()
    }
}

/// Serves the agent on each of `connections` until there are no more of them or it was shut down.
/// Needs a runtime with I/O and time. When it is dropped, so are its connections; commands with an
/// id run on until the runtime ends.
///
/// ```no_run
/// # async fn example(disks: std::sync::Arc<dyn kiln_agent::Disks>) -> std::io::Result<()> {
/// let listener = tokio::net::UnixListener::bind("agent.sock")?;
/// let connections = tokio_stream::wrappers::UnixListenerStream::new(listener);
/// let power_off = Box::new(|| std::process::exit(0));
/// let settings = kiln_agent::Settings { disks, cgroup: None, engine: None, power_off };
/// kiln_agent::serve_on(connections, settings).await
/// # }
/// ```
pub async fn serve_on<S>(
    connections: impl Stream<Item = io::Result<S>>,
    settings: Settings,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Settings { disks, cgroup, engine, power_off } = settings;
    let layout = engine.map(Layout::from);
    let reaper = Arc::new(Reaper::of_own_children());
    let groups: Arc<dyn Groups> = match cgroup {
        Some(path) => Arc::new(Hierarchy::below(&path)?),
        None => Arc::new(Sessions::new()?),
    };
    let look = Box::new(|| rustix::fs::statfs("/"));
    let engine = Engine::new(Arc::clone(&reaper), groups, DiskWatch::start(look)?);
    let power = Power::default();
    let mut milestones = Milestones::default();
    milestones.reach("ready");
    let service = Service::new(engine, disks, milestones, power.clone(), Greeting::Checked, layout);
    let service = Arc::new(service);
    let mut server = Server::new(Arc::clone(&service));
    let serve = async {
        let mut connections = pin!(connections);
        while let Some(connection) = connections.next().await {
            server.serve(connection?);
        }
        Ok(())
    };
    let shut_down = async {
        power.asked().await;
        service.engine.kill_all();
        tokio::time::sleep(ANSWERS_LIMIT).await;
    };
    tokio::select! {
        failed = reaper.run() => failed,
        served = serve => served,
        () = shut_down => {
            power_off();
            Ok(())
        }
    }
}
