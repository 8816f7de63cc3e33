//! The engine's daemon: started, asked, and ready.

use std::{io, path::Path, sync::Arc, time::Duration};

use kiln_proto::agent::v1::{EnvironmentVariable, ExecStart};
use tokio::time::timeout;

use super::{
    Wanted, api,
    error::EngineError,
    is_program,
    processes::{Ended, Processes, Who},
    settings, state, store,
};
use crate::{
    build::layout::Layout,
    command::{Command, Limits},
    disk_watch::DiskWatch,
    disks::Disks,
    exec,
    group::{EngineGroups, Group, Groups},
    milestones::{Milestone, Milestones},
    offload::offload,
};

/// Under emulation, on a loaded host, it takes half a minute.
const LIMIT: Duration = Duration::from_secs(300);
/// For whoever answers wrongly to be found ended.
const END_LIMIT: Duration = Duration::from_secs(2);
/// And the name of a snapshotter of containerd's.
const STORE: &[u8] = b"containerd-";

/// An engine that has what builds need. It lives as long as the agent.
pub(crate) struct Ready {
    pub(crate) layout: Arc<Layout>,
    pub(super) engine_version: String,
    pub(super) steps: Vec<Milestone>,
    pub(crate) groups: Arc<dyn EngineGroups>,
    /// Looks at the disk of its state.
    pub(crate) disk_watch: DiskWatch,
    pub(super) processes: Processes,
}

/// The group of one of its processes, where any group is asked for.
struct OwnGroup(Who, Arc<dyn EngineGroups>);

impl Groups for OwnGroup {
    fn create(&self, _: &Limits) -> io::Result<Box<dyn Group>> {
        let Self(who, groups) = self;
        match who {
            Who::Daemon => groups.daemon(),
            Who::Store => groups.store(),
        }
    }

    fn create_for_engine(&self, _: &Limits) -> io::Result<Arc<dyn EngineGroups>> {
        Ok(Arc::clone(&self.1))
    }
}

pub(super) async fn start(
    layout: Option<Arc<Layout>>,
    disks: Arc<dyn Disks>,
    exec: exec::Engine,
    wanted: Wanted,
) -> Result<Ready, EngineError> {
    let layout = layout.ok_or(EngineError::NotHere)?;
    let mut steps = Milestones::default();
    steps.reach("asked");
    let prepared = {
        let (layout, exec) = (Arc::clone(&layout), exec.clone());
        offload("engine", move || prepare(&layout, &*disks, &exec, &wanted)).await
    };
    let Prepared { groups, disk_watch } = prepared.map_err(EngineError::Thread)??;
    steps.reach("mounted");
    let group = |who| Arc::new(OwnGroup(who, Arc::clone(&groups)));
    let store = exec.start_daemon(store::command(&layout)?, group(Who::Store)).await?;
    // Both at once: where processors are slow, they are slow for both, and once the daemon needs
    // containerd it waits for it, for a minute.
    let daemon = exec.start_daemon(command(&layout)?, group(Who::Daemon)).await?;
    steps.reach("spawned");
    let processes = Processes::watch(store, daemon);
    let mut asked = Who::Store;
    let ready = ask(&layout, &processes, &mut asked, &mut steps);
    let ended = |Ended { who, status }| {
        let words = processes.last_words(who);
        EngineError::Ended { who, status, words }
    };
    let ready = tokio::select! {
        ready = timeout(LIMIT, ready) => ready.ok(),
        end = processes.ended() => return Err(ended(end)),
    };
    let engine_version = match ready {
        Some(Ok(version)) => version,
        // One that ends hangs up first.
        Some(Err(error)) => {
            return Err(timeout(END_LIMIT, processes.ended()).await.map_or(error, ended));
        }
        None => {
            let words = processes.last_words(asked);
            return Err(EngineError::Silent { who: asked, limit: LIMIT, words });
        }
    };
    let steps = steps.iter().collect();
    Ok(Ready { layout, engine_version, steps, groups, disk_watch, processes })
}

struct Prepared {
    groups: Arc<dyn EngineGroups>,
    disk_watch: DiskWatch,
}

/// May block.
fn prepare(
    layout: &Layout,
    disks: &dyn Disks,
    exec: &exec::Engine,
    wanted: &Wanted,
) -> Result<Prepared, EngineError> {
    if let Some(missing) =
        [&layout.daemon, &layout.containerd].into_iter().find(|path| !is_program(path))
    {
        return Err(EngineError::NotInstalled(missing.clone()));
    }
    state::mount_state(disks, &wanted.disk, &layout.state, layout.mounts)?;
    let limits = Limits { memory_bytes: wanted.memory_bytes, pids: None };
    let groups = exec.groups().create_for_engine(&limits).map_err(EngineError::Groups)?;
    settings::write(layout, groups.steps(), &settings_file(layout))?;
    store::write(layout)?;
    let directory = layout.state.clone();
    let look = Box::new(move || rustix::fs::statfs(&directory));
    let disk_watch = DiskWatch::start(look).map_err(EngineError::Thread)?;
    Ok(Prepared { groups, disk_watch })
}

fn settings_file(layout: &Layout) -> std::path::PathBuf {
    layout.memory.join("engine.json")
}

fn command(layout: &Layout) -> Result<Command, EngineError> {
    let argument = |name: &str, path: &Path| format!("--{name}={}", path.display());
    let mut start = ExecStart {
        argv: vec![
            layout.daemon.display().to_string(),
            argument("config-file", &settings_file(layout)),
            argument("data-root", &layout.state),
            format!("--host=unix://{}", layout.socket.display()),
            "--log-level=warn".to_owned(),
        ],
        ..Default::default()
    };
    let mut set = |name: &str, value: String| {
        start.env.push(EnvironmentVariable { name: name.to_owned(), value });
    };
    set("PATH", layout.path.clone());
    set("HOME", "/root".to_owned());
    // A step's log is whole; how much of it is kept is the host's to say.
    set("BUILDKIT_STEP_LOG_MAX_SIZE", "-1".to_owned());
    set("BUILDKIT_STEP_LOG_MAX_SPEED", "-1".to_owned());
    if layout.certificate.exists() {
        set("SSL_CERT_FILE", layout.certificate.display().to_string());
    }
    Ok(Command::try_from(start).map_err(exec::Refusal::from)?)
}

/// Returns its version when it is all that it has to be.
async fn ask(
    layout: &Layout,
    processes: &Processes,
    asked: &mut Who,
    steps: &mut Milestones,
) -> Result<String, EngineError> {
    store::greeted(&store::socket(layout))
        .await
        .map_err(|source| EngineError::Store { words: processes.last_words(Who::Store), source })?;
    steps.reach("containerd");
    *asked = Who::Daemon;
    let words = || processes.last_words(Who::Daemon);
    let wrong = |what: String| EngineError::Answer { what, words: words() };
    let answer = api::ping(&layout.socket).await.map_err(|error| wrong(error.to_string()))?;
    let version = answer.map_err(wrong)?;
    steps.reach("answers");
    // It answers when all of it is there.
    if !has_store(&layout.state) {
        return Err(EngineError::NoContainerdStore { words: words() });
    }
    steps.reach("ready");
    Ok(version)
}

/// Whether it builds with containerd's store of images: what it keeps of its own is then below a
/// directory that is called after it.
fn has_store(state: &Path) -> bool {
    let entries = std::fs::read_dir(state.join("buildkit"));
    entries.is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().as_encoded_bytes().starts_with(STORE))
    })
}

impl Ready {
    /// Why it is no engine any more, if it is none.
    pub(crate) fn end(&self) -> Option<String> {
        let Ended { who, status } = self.processes.end()?;
        Some(format!("{who} has ended with {status:?}{}", self.processes.last_words(who)))
    }
}
