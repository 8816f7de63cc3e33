//! The task that learns how a machine ended, whatever becomes of its supervisor.

use std::{path::PathBuf, time::Duration};

use kiln_shim::{Ask, Body, Child, ExitRecord, ProcessIdentity};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    SupervisedEnd,
    client::{Link, LinkError},
    process::{Proven, sweep},
};
use crate::{host::cgroup::Cgroup, vmm::SerialTail};

/// For a supervisor to answer what it knows already.
pub(super) const ASK_LIMIT: Duration = Duration::from_secs(5);
/// For a supervisor that was asked to end its machine to have done so.
const TERMINATE_LIMIT: Duration = Duration::from_secs(5);
/// For a supervisor that is done to be gone.
const PARTING: Duration = Duration::from_secs(2);
/// Between two conversations with one that breaks them off.
const PAUSE: Duration = Duration::from_millis(50);

/// One supervisor, as the overseer and the one who holds the machine know it.
#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) directory: PathBuf,
    pub(super) instance: String,
    pub(super) name: String,
    pub(super) identity: ProcessIdentity,
    pub(super) process: Proven,
    pub(super) children: Vec<Child>,
    pub(super) cgroup: Option<Cgroup>,
    /// Cancelled when nobody wants the machine any more.
    pub(super) unwanted: CancellationToken,
    /// Cancelled before the supervisor is killed by us.
    pub(super) killed: CancellationToken,
}

/// What is published: the end, and the last of the console.
pub(super) type Ending = Option<(SupervisedEnd, SerialTail)>;

/// Ends the machine if the runtime ends before it was let go of.
struct Net<'a>(Option<&'a Supervisor>);

impl Drop for Net<'_> {
    fn drop(&mut self) {
        if let Some(supervisor) = self.0 {
            supervisor.process.kill();
        }
    }
}

impl Supervisor {
    /// Runs until the machine has ended; dropped, it kills it, unless it was told to `leave`.
    pub(super) async fn oversee(&self, ending: &watch::Sender<Ending>, leave: &CancellationToken) {
        let mut net = Net(Some(self));
        let end = tokio::select! {
            biased;
            () = leave.cancelled() => {
                net.0 = None;
                return;
            }
            end = self.end() => end,
        };
        net.0 = None;
        tracing::debug!(name = self.name, end = ?end.0, "a machine has ended");
        self.dismiss().await;
        ending.send_replace(Some(end));
    }

    /// So that whoever hears of the machine's end finds nothing of it. A supervisor that is slow to
    /// go does so by itself when nobody has come for a while.
    async fn dismiss(&self) {
        let dismissed = async {
            let _may_be_gone_already = self.ask(Ask::Done).await;
            self.process.ended().await;
        };
        if timeout(PARTING, dismissed).await.is_err() {
            tracing::warn!(name = self.name, "the supervisor of a machine that has ended lingers");
        }
    }

    async fn end(&self) -> (SupervisedEnd, SerialTail) {
        let told = async {
            loop {
                match self.told().await {
                    Ok(record) => return record,
                    Err(error) => {
                        tracing::debug!(name = self.name, %error, "asking its supervisor again");
                        sleep(PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            biased;
            record = told => {
                let serial = self.serial().await;
                (SupervisedEnd::Ended(record), serial)
            }
            () = self.gone() => {
                let end = match self.recorded() {
                    Some(record) => SupervisedEnd::Ended(record),
                    None => SupervisedEnd::Lost { killed: self.killed.is_cancelled() },
                };
                // The kernel has killed them; who was not its child any more, is killed by this.
                while let Err(child) = self.sweep().await {
                    tracing::error!(program = child.name, pid = child.process.pid, "it survives SIGKILL");
                    sleep(ASK_LIMIT).await;
                }
                (end, SerialTail::default())
            }
        }
    }

    async fn sweep(&self) -> Result<bool, Child> {
        sweep(&self.name, &self.children, self.cgroup.as_ref(), self.identity).await
    }

    /// Resolves when the supervisor has ended; ends it when nobody wants its machine any more.
    async fn gone(&self) {
        let unwanted = async {
            self.unwanted.cancelled().await;
            self.process.terminate();
            sleep(TERMINATE_LIMIT).await;
            self.killed.cancel();
            self.process.kill();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.process.ended() => {}
            () = unwanted => {}
        }
    }

    /// How it ended, once the supervisor says so.
    async fn told(&self) -> Result<ExitRecord, LinkError> {
        let mut link = self.link().await?;
        match link.ask(Ask::Wait).await? {
            Body::Ended(record) => Ok(record),
            other => Err(LinkError::Foreign { what: format!("it answers {other:?}") }),
        }
    }

    async fn link(&self) -> Result<Link, LinkError> {
        Link::open(&self.directory, &self.instance, Some(self.identity)).await
    }

    pub(super) async fn ask(&self, question: Ask) -> Result<Body, LinkError> {
        let conversation = async { self.link().await?.ask(question).await };
        timeout(ASK_LIMIT, conversation).await.unwrap_or(Err(LinkError::Silent))
    }

    pub(super) async fn serial(&self) -> SerialTail {
        match self.ask(Ask::Serial).await {
            Ok(Body::Serial(serial)) => {
                let bytes = serial.bytes().unwrap_or_default();
                SerialTail { bytes, dropped: serial.dropped }
            }
            _ => SerialTail::default(),
        }
    }

    /// What the supervisor wrote down before it went.
    fn recorded(&self) -> Option<ExitRecord> {
        ExitRecord::read(&self.directory).ok().filter(|record| record.process == self.identity)
    }
}
