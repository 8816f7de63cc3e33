//! The one who holds a machine.

use std::{path::Path, sync::Arc};

use kiln_shim::{Ask, Body, Child};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    SupervisedEnd,
    oversee::{Ending, Supervisor},
    process::Proven,
};
use crate::{
    host::cgroup::{Cgroup, CgroupUsage},
    vmm::SerialTail,
};

/// A supervised machine. Dropping it ends the machine; [`Supervision::leave`] does not.
#[derive(Debug)]
pub struct Supervision {
    supervisor: Arc<Supervisor>,
    /// Published by the overseer when all of its programs are gone.
    ending: watch::Receiver<Ending>,
    /// Tells the overseer that the machine is another's from now on.
    leave: CancellationToken,
}

impl Supervision {
    /// Must be called within a runtime, on which the machine is overseen.
    pub(super) fn over(
        directory: &Path,
        instance: &str,
        name: &str,
        (identity, process): (kiln_shim::ProcessIdentity, Proven),
        children: Vec<Child>,
        cgroup: Option<Cgroup>,
    ) -> Self {
        let supervisor = Arc::new(Supervisor {
            directory: directory.to_owned(),
            instance: instance.to_owned(),
            name: name.to_owned(),
            identity,
            process,
            children,
            cgroup,
            unwanted: CancellationToken::new(),
            killed: CancellationToken::new(),
        });
        let (publisher, ending) = watch::channel(None);
        let leave = CancellationToken::new();
        let (overseer, left) = (Arc::clone(&supervisor), leave.clone());
        tokio::spawn(async move { overseer.oversee(&publisher, &left).await });
        Self { supervisor, ending, leave }
    }

    /// The machine's, as it was ordered.
    pub fn name(&self) -> &str {
        &self.supervisor.name
    }

    pub fn directory(&self) -> &Path {
        &self.supervisor.directory
    }

    /// The programs that were started, in their order; for records, never to be signalled by number.
    pub fn children(&self) -> &[Child] {
        &self.supervisor.children
    }

    /// The process id of a program.
    pub fn pid(&self, program: &str) -> Option<u32> {
        let child = self.children().iter().find(|child| child.name == program);
        child.map(|child| child.process.pid)
    }

    /// The supervisor's own process id.
    pub fn supervisor_pid(&self) -> u32 {
        self.supervisor.identity.pid
    }

    /// Resolves when all programs are gone, with what their supervisor saw; at once if that was
    /// earlier.
    ///
    /// # Cancel safety
    /// Safe: nothing is consumed.
    pub async fn wait(&self) -> SupervisedEnd {
        let mut ending = self.ending.clone();
        let ended = ending.wait_for(Option::is_some).await.ok().and_then(|ending| ending.clone());
        // The overseer ends without a word only when its runtime does; that kills the machine.
        ended.map_or(SupervisedEnd::Lost { killed: true }, |(end, _)| end)
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<SupervisedEnd> {
        self.ending.borrow().as_ref().map(|(end, _)| end.clone())
    }

    /// Ends all programs; how they ended is told when they are gone. A supervisor that does not
    /// answer is killed, and they with it.
    pub async fn kill(&self) -> SupervisedEnd {
        if self.ended().is_none()
            && !matches!(self.supervisor.ask(Ask::Kill).await, Ok(Body::Ended(_)))
        {
            self.supervisor.killed.cancel();
            self.supervisor.process.kill();
        }
        self.wait().await
    }

    /// Says that the machine's end, which is about to come, is meant.
    pub async fn mark_stopping(&self) {
        // A supervisor that does not hear it will not be heard either: then the end is `Lost`.
        let _unheard = self.supervisor.ask(Ask::Stopping).await;
    }

    /// The end of what the program with the console wrote to it; empty when nobody can say.
    pub async fn serial(&self) -> SerialTail {
        let kept = || self.ending.borrow().as_ref().map(|(_, serial)| serial.clone());
        if let Some(serial) = kept() {
            return serial;
        }
        let serial = self.supervisor.serial().await;
        // It may have ended meanwhile, and its supervisor been sent away.
        if serial.bytes.is_empty() { kept().unwrap_or(serial) } else { serial }
    }

    /// `None` where it has no cgroup of its own.
    pub fn usage(&self) -> Option<CgroupUsage> {
        self.supervisor.cgroup.as_ref().map(Cgroup::usage)
    }

    /// Lets go of the machine: it runs on under its supervisor.
    pub fn leave(self) {
        self.leave.cancel();
    }
}

impl Drop for Supervision {
    fn drop(&mut self) {
        if !self.leave.is_cancelled() {
            self.supervisor.unwanted.cancel();
        }
    }
}
