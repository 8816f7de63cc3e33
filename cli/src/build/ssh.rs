//! Our ssh agents, served to the steps of a build: kilnd opens connections over one stream, and
//! each is a connection to the agent's socket here, through a gate.

mod gate;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use kiln_proto::v1::{self, serve_ssh_request::Event};
use tokio::{net::UnixStream, sync::mpsc, task::JoinHandle};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use self::gate::{Gate, Request};
use crate::{
    daemon::{Daemon, DaemonError},
    record::Job,
    report,
};

const CHUNK: usize = 32 << 10;
const QUEUE: usize = 8;
/// Of streams of one build, before somebody else is let serve it.
const ORDERLY_ENDS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);
/// More at a time than any step has.
const CONNECTIONS: usize = 64;

/// Sockets by the ids that steps know them by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agents(HashMap<String, PathBuf>);

/// Until it is dropped.
#[derive(Debug)]
pub(crate) struct Serving(Option<JoinHandle<()>>);

impl Agents {
    pub(crate) fn new(agents: Vec<(String, PathBuf)>) -> Self {
        Self(agents.into_iter().collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn serve(self, daemon: &Daemon, id: &str) -> Serving {
        if self.is_empty() {
            return Serving(None);
        }
        let (daemon, id) = (daemon.clone().quietly(true), id.to_owned());
        Serving(Some(tokio::spawn(async move {
            if let Err(error) = self.persist(&daemon, &id).await {
                report::error(&format!("the ssh agent is not served to the build: {error}"));
            }
        })))
    }

    /// Until the build has ended.
    async fn persist(&self, daemon: &Daemon, id: &str) -> Result<(), DaemonError> {
        let mut patience = daemon.patience();
        for _ in 0..ORDERLY_ENDS {
            while let Err(cause) = self.attend(daemon, id).await {
                if !cause.is_loss() && is_over(daemon, id).await? {
                    return Ok(());
                }
                patience.endure(cause).await?;
            }
            // With the build; or with a kilnd that stops, or because another client serves.
            match is_over(daemon, id).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(cause) => patience.endure(cause).await?,
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn attend(&self, daemon: &Daemon, id: &str) -> Result<(), DaemonError> {
        let (sender, requests) = mpsc::channel(QUEUE);
        let serve =
            v1::ServeSshRequest { event: Some(Event::Serve(v1::ServeSsh { id: id.to_owned() })) };
        let requests = tokio_stream::once(serve).chain(ReceiverStream::new(requests));
        let mut answers = daemon.serve_ssh(requests).await?;
        let mut open: HashMap<u32, mpsc::Sender<Bytes>> = HashMap::new();
        loop {
            let data = match answers.message().await {
                Ok(Some(answer)) => answer.data,
                Ok(None) => return Ok(()),
                Err(status) => return Err(daemon.error(&status)),
            };
            let Some(v1::SshData { connection, ssh_id, data, closed }) = data else { continue };
            open.retain(|_, chunks| !chunks.is_closed());
            if closed {
                open.remove(&connection);
                continue;
            }
            if !ssh_id.is_empty() {
                match self.0.get(&ssh_id).filter(|_| open.len() < CONNECTIONS) {
                    Some(path) => {
                        let (chunks, receiver) = mpsc::channel(QUEUE);
                        open.insert(connection, chunks);
                        tokio::spawn(carry(path.clone(), connection, receiver, sender.clone()));
                    }
                    None => say(&sender, connection, Bytes::new(), true).await,
                }
            }
            if let Some(chunks) = open.get(&connection)
                && !data.is_empty()
                && chunks.send(data).await.is_err()
            {
                open.remove(&connection);
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

async fn is_over(daemon: &Daemon, id: &str) -> Result<bool, DaemonError> {
    let mut changes = daemon.changes(id).await?;
    let now = changes.message().await.map_err(|status| daemon.error(&status))?;
    // Nothing more is said of what has ended.
    Ok(now.and_then(|now| now.job).is_none_or(|job| Job::from(job).has_ended()))
}

/// One connection, until either side closes it.
async fn carry(
    path: PathBuf,
    connection: u32,
    mut chunks: mpsc::Receiver<Bytes>,
    sender: mpsc::Sender<v1::ServeSshRequest>,
) {
    if let Err(error) = exchange(&path, connection, &mut chunks, &sender).await {
        let path = path.display();
        report::error(&format!("a step is cut off from the ssh agent at {path}: {error}"));
    }
    say(&sender, connection, Bytes::new(), true).await;
}

/// One request at a time, so that answers are in their order whoever gives them.
async fn exchange(
    path: &Path,
    connection: u32,
    chunks: &mut mpsc::Receiver<Bytes>,
    sender: &mpsc::Sender<v1::ServeSshRequest>,
) -> std::io::Result<()> {
    let mut agent = UnixStream::connect(path).await?;
    let mut gate = Gate::default();
    loop {
        let answer = match gate.next().map_err(std::io::Error::other)? {
            None => {
                let Some(bytes) = chunks.recv().await else { return Ok(()) };
                gate.push(&bytes).map_err(std::io::Error::other)?;
                continue;
            }
            Some(Request::Refuse) => gate::FAILURE,
            Some(Request::Pass(request)) => {
                let asking = gate::ask(&mut agent, request);
                tokio::pin!(asking);
                // It may ask its user first. Meanwhile the connection can close, and is not in
                // the way of others.
                let answer = loop {
                    tokio::select! {
                        answer = &mut asking => break answer?,
                        asked = chunks.recv() => match asked {
                            Some(bytes) => gate.push(&bytes).map_err(std::io::Error::other)?,
                            None => return Ok(()),
                        },
                    }
                };
                let Some(answer) = answer else { return Ok(()) };
                answer
            }
        };
        for chunk in answer.chunks(CHUNK) {
            say(sender, connection, answer.slice_ref(chunk), false).await;
        }
    }
}

/// To a stream that may be gone already.
async fn say(
    sender: &mpsc::Sender<v1::ServeSshRequest>,
    connection: u32,
    data: Bytes,
    closed: bool,
) {
    let data = v1::SshData { connection, ssh_id: String::new(), data, closed };
    let _ = sender.send(v1::ServeSshRequest { event: Some(Event::Data(data)) }).await;
}
