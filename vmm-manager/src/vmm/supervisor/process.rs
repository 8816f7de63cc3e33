//! Processes that are proven to be those that a record speaks of.

use std::{io, os::fd::OwnedFd, time::Duration};

use kiln_helper::Request;
use kiln_shim::{Child, ProcessIdentity};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Signal, pidfd_send_signal},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::timeout,
};

use crate::host::{cgroup::Cgroup, helper::helper};

/// For the kernel to take a killed process down.
const KILL_LIMIT: Duration = Duration::from_secs(20);
/// Far more than a program needs that is killed while it makes others.
const ROUNDS: usize = 100;

/// A process by a descriptor that means it for ever.
#[derive(Debug)]
pub(in crate::vmm) struct Proven {
    pidfd: AsyncFd<OwnedFd>,
}

impl Proven {
    /// `None` when it has ended, reaped or not, or its number is somebody else's by now.
    pub(in crate::vmm) fn find(identity: ProcessIdentity) -> io::Result<Option<Self>> {
        let Some(pidfd) = identity.prove()? else { return Ok(None) };
        if has_ended(&pidfd)? {
            return Ok(None);
        }
        // SAFETY: the descriptor is owned by what is registered, and so open for as long.
        let pidfd = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }
            .map_err(io::Error::from)?;
        Ok(Some(Self { pidfd }))
    }

    /// Resolves when it has ended, reaped or not.
    ///
    /// # Cancel safety
    /// Safe: nothing is consumed.
    pub(in crate::vmm) async fn ended(&self) {
        // An error would mean that the runtime is shutting down.
        if self.pidfd.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// To ask the supervisor for the machine's end.
    pub(in crate::vmm) fn terminate(&self) {
        let _gone = pidfd_send_signal(self.pidfd.get_ref(), Signal::TERM);
    }

    pub(in crate::vmm) fn kill(&self) {
        let _gone = self.try_kill();
    }

    /// Fails for one who runs as another user.
    fn try_kill(&self) -> rustix::io::Result<()> {
        pidfd_send_signal(self.pidfd.get_ref(), Signal::KILL)
    }
}

fn has_ended(pidfd: &OwnedFd) -> io::Result<bool> {
    let mut events = [PollFd::new(pidfd, PollFlags::IN)];
    Ok(poll(&mut events, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? > 0)
}

/// Ends those who still live of the machine of `job` whose supervisor does not. True when there were any; an
/// error names one that survives.
///
/// They are the `children` on record, and whoever is in the machine's own cgroup: a program that
/// was started before it could be written down, and what a program made. Nobody but a supervisor
/// puts a process there; one that was there before this `supervisor` is not its.
///
/// # Cancel safety
/// Safe: it can be done again.
pub(in crate::vmm) async fn sweep(
    job: &str,
    children: &[Child],
    cgroup: Option<&Cgroup>,
    supervisor: ProcessIdentity,
) -> Result<bool, Child> {
    let mut any = end(job, children).await?;
    let Some(cgroup) = cgroup else { return Ok(any) };
    // Whoever is ended may just have made another one.
    for _ in 0..ROUNDS {
        let members = members(cgroup, supervisor);
        if members.is_empty() {
            break;
        }
        any |= end(job, &members).await?;
    }
    Ok(any)
}

/// Those in `cgroup` who live and are no older than `supervisor`.
fn members(cgroup: &Cgroup, supervisor: ProcessIdentity) -> Vec<Child> {
    let started = |pid: &u32| ProcessIdentity::of(*pid).ok();
    let seen: Vec<_> = cgroup.processes().iter().filter_map(started).collect();
    // A number that changed hands before it was looked at belongs to somebody who isn't in there.
    let still = cgroup.processes();
    let member = |process: &ProcessIdentity| {
        process.start_time >= supervisor.start_time && still.contains(&process.pid)
    };
    let named = |process| Child { name: "of its cgroup".to_owned(), process, confinement: None };
    seen.into_iter().filter(member).map(named).collect()
}

/// A program has a user of its own, over whom we have no power; the helper proves once more whose
/// it is. If it does nothing, the process is seen to survive.
fn ask(job: &str, child: &Child) {
    let Some(helper) = helper() else { return };
    let request = Request::Kill { job: job.to_owned(), processes: vec![child.process] };
    if let Err(error) = helper.done(&request) {
        tracing::error!(job, program = child.name, %error, "what a supervisor left is not ended");
    }
}

async fn end(job: &str, children: &[Child]) -> Result<bool, Child> {
    let survives = |child: &Child| child.clone();
    let mut found = Vec::new();
    for child in children {
        if let Some(process) = Proven::find(child.process).map_err(|_| survives(child))? {
            if let Err(Errno::PERM) = process.try_kill() {
                ask(job, child);
            }
            found.push((child, process));
        }
    }
    for (child, process) in &found {
        if timeout(KILL_LIMIT, process.ended()).await.is_err() {
            return Err(survives(child));
        }
    }
    Ok(!found.is_empty())
}
