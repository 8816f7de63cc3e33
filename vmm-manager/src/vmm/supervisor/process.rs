//! Processes that are proven to be those that a record speaks of.

use std::{io, os::fd::OwnedFd, time::Duration};

use kiln_shim::{Child, ProcessIdentity};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Signal, pidfd_send_signal},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::timeout,
};

use crate::host::cgroup::Cgroup;

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
        let _gone = pidfd_send_signal(self.pidfd.get_ref(), Signal::KILL);
    }
}

fn has_ended(pidfd: &OwnedFd) -> io::Result<bool> {
    let mut events = [PollFd::new(pidfd, PollFlags::IN)];
    Ok(poll(&mut events, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? > 0)
}

/// Ends those who still live of a machine whose supervisor does not. True when there were any; an
/// error names one that survives.
///
/// They are the `children` on record, and whoever is in the machine's own cgroup: a program that
/// was started before it could be written down, and what a program made. Nobody but a supervisor
/// puts a process there; one that was there before this `supervisor` is not its.
///
/// # Cancel safety
/// Safe: it can be done again.
pub(in crate::vmm) async fn sweep(
    children: &[Child],
    cgroup: Option<&Cgroup>,
    supervisor: ProcessIdentity,
) -> Result<bool, Child> {
    let mut any = end(children).await?;
    let Some(cgroup) = cgroup else { return Ok(any) };
    // Whoever is ended may just have made another one.
    for _ in 0..ROUNDS {
        let members = members(cgroup, supervisor);
        if members.is_empty() {
            break;
        }
        any |= end(&members).await?;
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
    let named = |process| Child { name: "of its cgroup".to_owned(), process };
    seen.into_iter().filter(member).map(named).collect()
}

async fn end(children: &[Child]) -> Result<bool, Child> {
    let survives = |child: &Child| child.clone();
    let mut found = Vec::new();
    for child in children {
        if let Some(process) = Proven::find(child.process).map_err(|_| survives(child))? {
            process.kill();
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
