//! Runs one command from its request to its end.
//!
//! ```text
//! ExecStart ──▶ Command ──▶ Born ─────▶ Running ────────────▶ kill ──▶ drain ──▶ exited
//!     │            │          │            │ exit, timeout,     ▲
//!     ▼            ▼          ▼            ▼ the host is gone   │
//!  invalid     no such user  no program   └────────────────────┘
//! ```
//!
//! *Happy path*: the request is checked; a thread looks up the user, makes a group and gives birth to
//! the child in it; the child becomes its program; output flows until the main process ends; what
//! it left behind is killed; the pipes are drained to their end; the result is told.
//! *Failure paths*: the child reports why it could not become its program, and the command is refused.
//! The host closes the stream or breaks the protocol: the group is killed. A process outlives
//! SIGKILL, stuck in the kernel: after [`end::KILL_LIMIT`] the result is told without it, its pipes
//! are given up, and it goes with the VM.
//!
//! A command has two halves: what it is ([`running`], in a task of its own), and who speaks with it
//! ([`stream`]). They meet in [`run`]. A command with an id outlives its streams and answers each new
//! one in the same way; one without dies with its stream.
//!
//! Everything between is bounded: a window of output, a window of stdin and a few answers are all the
//! memory that a command takes; a slow host slows the command down.

mod answers;
mod booting;
mod born;
mod daemon;
mod end;
mod input;
mod output;
mod pipe;
mod program;
mod refusal;
mod register;
mod run;
mod running;
mod start;
mod stream;
mod work;

use std::{
    io,
    path::Path,
    sync::{Arc, OnceLock},
};

use kiln_proto::agent::v1::{EnvironmentVariable, ExecRefused, ExecRequest, ExecStart};
use tokio::sync::oneshot;
use tokio_stream::Stream;
use tonic::Status;

pub(crate) use self::{
    answers::{Answer, Answers},
    daemon::{Daemon, Words},
    output::Output,
    refusal::Refusal,
    start::Start,
    work::{Prepared, Work},
};
use self::{
    born::Born,
    register::{Entered, Register},
    run::{End, Run},
    running::Running,
};
use crate::{
    build::{Asked, Builds},
    command::Command,
    disk_watch::DiskWatch,
    group::Groups,
    kmsg,
    machine::{Door, Inside, Machine},
    offload::offload,
    reaper::Reaper,
    registry,
};

/// What commands run on.
#[derive(Clone)]
pub(crate) struct Engine {
    reaper: Arc<Reaper>,
    groups: Arc<dyn Groups>,
    disk_watch: DiskWatch,
    register: Arc<Register>,
    /// What commands are told of the host's registry; set by the greeting, which comes before them.
    registry: Arc<OnceLock<String>>,
    /// Where commands run, once a root filesystem was booted.
    inside: Arc<Inside>,
}

/// What begins with a process of the agent's.
enum Ordinary {
    Command(ExecStart),
    Build(Box<Asked>, Arc<Builds>),
}

impl Engine {
    pub(crate) fn new(reaper: Arc<Reaper>, groups: Arc<dyn Groups>, disk_watch: DiskWatch) -> Self {
        let (register, registry, inside) = Default::default();
        Self { reaper, groups, disk_watch, register, registry, inside }
    }

    /// Commands run in that machine's root once it has one.
    pub(crate) fn in_machine(self, machine: &Machine) -> Self {
        Self { inside: machine.inside(), ..self }
    }

    /// Each command finds `name` in its environment, unless the host gives it another.
    pub(crate) fn tell_of_registry(&self, name: String) {
        let _the_first_stays = self.registry.set(name);
    }

    /// Starts the command, or takes up one that was started before, and tells everything about it
    /// through `answers`.
    pub(crate) async fn attend(
        &self,
        start: Start,
        requests: impl Stream<Item = Result<ExecRequest, Status>>,
        answers: Answers,
    ) {
        match self.register.enter(start) {
            Ok(Entered { run, seat, new }) => {
                if let Some(start) = new {
                    tokio::spawn(self.clone().run(start, Arc::clone(&run)));
                }
                stream::attend(&run, seat, requests, answers).await;
            }
            Err(status) => answers.fail(status).await,
        }
    }

    /// Kills every command.
    pub(crate) fn kill_all(&self) {
        for run in self.register.all() {
            if let Err(error) = run.kill() {
                kmsg::error(format_args!("a command cannot be killed: {error}"));
            }
        }
    }

    async fn run(self, start: Start, run: Arc<Run>) {
        let watching = self.disk_watch.watch();
        let start = match start {
            Start::Boot(start, machine) => {
                return booting::run(self, *start, machine, &run, watching).await;
            }
            Start::Command(start) => Ordinary::Command(start),
            Start::Build(asked, builds) => Ordinary::Build(asked, builds),
        };
        match self.start(start).await {
            Ok(running) => running.run(&run, watching).await,
            Err(refusal) => run.end(End::Refused(ExecRefused::from(&refusal))),
        }
    }

    async fn start(self, start: Ordinary) -> Result<Running, Refusal> {
        match start {
            Ordinary::Command(start) => {
                let (command, groups) = (self.command(start)?, Arc::clone(&self.groups));
                self.bear(command, groups, None).await
            }
            Ordinary::Build(asked, builds) => {
                let Prepared { command, groups, work, stop } = builds.prepare(*asked).await?;
                self.bear(command, groups, Some((work, stop))).await
            }
        }
    }

    fn command(&self, mut start: ExecStart) -> Result<Command, Refusal> {
        if let Some(value) = self.registry.get()
            && !start.env.iter().any(|variable| variable.name == registry::VARIABLE)
        {
            let (name, value) = (registry::VARIABLE.to_owned(), value.clone());
            start.env.push(EnvironmentVariable { name, value });
        }
        Ok(Command::try_from(start)?)
    }

    async fn bear(
        self,
        command: Command,
        groups: Arc<dyn Groups>,
        work: Option<(Box<dyn Work>, oneshot::Receiver<()>)>,
    ) -> Result<Running, Refusal> {
        let timeout = command.timeout;
        let born = self.give_birth(command, groups).await?;
        Running::new(born, timeout, work).map_err(agent("watch the command's pipes"))
    }

    async fn give_birth(&self, command: Command, groups: Arc<dyn Groups>) -> Result<Born, Refusal> {
        let (reaper, inside) = (Arc::clone(&self.reaper), Arc::clone(&self.inside));
        // Always awaited, even when the host is gone: what is born has to be buried.
        offload("exec", move || {
            let door = inside.door().map_err(agent("find the machine's root"))?;
            let etc = Path::new(if door.is_some() { Door::ETC } else { "/etc" });
            Born::give_birth(&command, etc, door.as_ref(), &reaper, &*groups)
        })
        .await
        .map_err(agent("start a thread"))?
    }

    /// Starts a program that is no command of the host's, and runs on until it is dropped.
    pub(crate) async fn start_daemon(
        &self,
        command: Command,
        groups: Arc<dyn Groups>,
    ) -> Result<(Daemon, Words), Refusal> {
        let born = self.give_birth(command, groups).await?;
        Daemon::new(born).await
    }

    /// As that, in a group as a command has.
    pub(crate) async fn start_beside(&self, command: Command) -> Result<(Daemon, Words), Refusal> {
        self.start_daemon(command, Arc::clone(&self.groups)).await
    }

    /// The groups that commands get.
    pub(crate) fn groups(&self) -> &dyn Groups {
        &*self.groups
    }
}

fn agent(what: &'static str) -> impl FnOnce(io::Error) -> Refusal {
    move |source| Refusal::Agent { what, source }
}

#[cfg(test)]
pub(crate) mod tests;
