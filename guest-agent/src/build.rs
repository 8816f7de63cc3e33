//! Builds: docker's engine and its client, run for the host.
//!
//! ```text
//! StartEngine ─▶ disk ─▶ mount ─▶ daemon in the group `engine` ─▶ it answers ─▶ it has what builds need
//! parts, build ─▶ checked ─▶ files and order in memory, a pipe for each output ─▶ the client, as a command
//! ```
//!
//! *Happy path*: the engine is started while the context arrives. The build's parts come first and are
//! held in memory; its start names them. The engine's client is this program once more, with an order in
//! a file: it runs as any command does, with an id, a window of output and an end; only that its output
//! goes through a translation into events. What it exports passes through pipes to output disks while it
//! runs.
//! *Failure paths*: what is no build is refused before anything of it is there. An output that does not
//! fit on its disk ends the client. An engine that does not come up is told of with its last words, to
//! everyone who asks for it.

mod command;
mod engine;
mod export;
mod files;
mod layout;
mod option;
mod parts;
mod platform;
mod progress;
mod refused;
mod relay;
mod request;
mod work;

use std::{io, sync::Arc};

use kiln_proto::agent::v1::{SshFrame, StartEngineRequest, StartEngineResponse};
use tonic::{Status, Streaming};

pub(crate) use self::{
    command::WORD,
    layout::Layout,
    parts::Parts,
    refused::NotBegun,
    relay::SshStream,
    request::{Asked, Build, NoBuild, Ssh},
};
use self::{
    command::{command, order},
    engine::{Engine, Ready},
    export::Exports,
    files::Files,
    relay::{Relay, Socket},
    work::BuildWork,
};
pub use self::{
    layout::StandInEngine,
    progress::{End, Translator},
};
use crate::{
    command::{Command, Limits},
    disks::Disks,
    exec::{self, Prepared, Refusal},
    group::{EngineGroups, Group, Groups},
    offload::offload,
    transfer::Transfers,
};

/// What this engine refuses, after a while and in words of its own.
const INSECURE: &str = "security.insecure";

/// The one engine of a guest, and what runs on it.
pub(crate) struct Builds {
    /// `None`: the machine is not the agent's.
    layout: Option<Arc<Layout>>,
    disks: Arc<dyn Disks>,
    transfers: Arc<Transfers>,
    exec: exec::Engine,
    engine: Engine,
    relay: Relay,
}

/// A client's group, where any group is asked for.
struct ClientGroup(Arc<dyn EngineGroups>);

impl Groups for ClientGroup {
    fn create(&self, _: &Limits) -> io::Result<Box<dyn Group>> {
        self.0.client()
    }

    fn create_for_engine(&self, _: &Limits) -> io::Result<Arc<dyn EngineGroups>> {
        Ok(Arc::clone(&self.0))
    }
}

impl Builds {
    pub(crate) fn new(
        layout: Option<Layout>,
        disks: Arc<dyn Disks>,
        transfers: Arc<Transfers>,
        exec: exec::Engine,
    ) -> Self {
        let (engine, relay) = Default::default();
        Self { layout: layout.map(Arc::new), disks, transfers, exec, engine, relay }
    }

    pub(crate) async fn start_engine(
        &self,
        request: StartEngineRequest,
    ) -> Result<StartEngineResponse, Status> {
        let surroundings = (self.layout.clone(), Arc::clone(&self.disks), self.exec.clone());
        let ready = self.engine.start(request, surroundings).await?;
        Ok(ready.answer(platform::runnable()))
    }

    pub(crate) fn relay_ssh(&self, frames: Streaming<SshFrame>) -> SshStream {
        self.relay.serve(frames)
    }

    /// Everything up to the client's birth. What was made is undone by dropping it.
    pub(crate) async fn prepare(&self, asked: Asked) -> Result<Prepared, Refusal> {
        let id = asked.start.id.clone();
        let build = Build::try_from(asked)?;
        let engine = match self.engine.ready().await {
            None => return Err(NotBegun::NoEngine.into()),
            Some(Err(error)) => return Err(NotBegun::Engine(error).into()),
            Some(Ok(ready)) => ready,
        };
        if let Some(end) = engine.end() {
            return Err(NotBegun::EngineEnded(end).into());
        }
        if build.order.allow.iter().any(|allowed| allowed == INSECURE) {
            return Err(NotBegun::Insecure.into());
        }
        platform::make_runnable(&build.platforms).await?;
        Ok(self.arrange(&id, build, engine).await?)
    }

    async fn arrange(
        &self,
        id: &str,
        build: Build,
        engine: Arc<Ready>,
    ) -> Result<Prepared, NotBegun> {
        let watching = engine.disk_watch.watch();
        let (layout, id) = (Arc::clone(&engine.layout), id.to_owned());
        let written = offload("build", move || {
            let mut files = Files::write(&layout.memory, &id, &build)?;
            files.put_order(&order(&layout, &files, &build))?;
            Ok((files, build))
        });
        let (files, build) = written.await.and_then(|written| written).map_err(NotBegun::Files)?;
        let sockets = self.listen(&build, &files).map_err(NotBegun::Files)?;
        let (exports, transfers) = (build.exports.clone(), Arc::clone(&self.transfers));
        let begun = offload("build", move || Exports::begin(&exports, &transfers));
        let exports = begun.await.map_err(NotBegun::Files)??;
        let stop = exports.failed();
        let command = Command::try_from(command(&engine.layout, &files, &build))
            .map_err(NotBegun::Command)?;
        let groups: Arc<dyn Groups> = Arc::new(ClientGroup(Arc::clone(&engine.groups)));
        let Parts { secrets, ssh_keys, .. } = build.parts;
        let translator =
            Translator::new(secrets.into_values().chain(ssh_keys.into_values()).collect());
        let state = engine.layout.state.display().to_string();
        let work = BuildWork { engine, translator, exports, files, sockets, watching, state };
        Ok(Prepared { command, groups, work: Box::new(work), stop })
    }

    fn listen(&self, build: &Build, files: &Files) -> io::Result<Vec<Socket>> {
        let relayed = build.ssh.iter().enumerate();
        let relayed = relayed.filter(|(_, ssh)| matches!(ssh, Ssh::Relayed(_)));
        relayed.map(|(index, ssh)| self.relay.listen(ssh.id(), &files.socket(index))).collect()
    }
}

#[cfg(test)]
mod tests;
