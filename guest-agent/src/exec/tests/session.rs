//! Groups without control groups, which a test machine may not have: the processes of one session.
//! They are found in `/proc`, killed for real, and a process that leaves the session has escaped.

use std::{
    fs, io,
    sync::{Mutex, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    command::Limits,
    group::{Group, Groups, Memory},
    process::{Cloned, Plan, clone_process},
};

const KILL_ROUNDS: u32 = 100;

#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// Says for ever that something is left, as a process in the kernel's hands would.
    pub(super) haunted: bool,
}

#[derive(Debug)]
struct Session {
    haunted: bool,
    leader: Mutex<Option<Pid>>,
}

impl Groups for Sessions {
    fn create(&self, _: &Limits) -> io::Result<Box<dyn Group>> {
        Ok(Box::new(Session { haunted: self.haunted, leader: Mutex::default() }))
    }
}

impl Session {
    fn members(&self) -> io::Result<Vec<Pid>> {
        let Some(leader) = *self.leader.lock().unwrap_or_else(PoisonError::into_inner) else {
            return Ok(Vec::new());
        };
        let mut members = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let pid = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            // Processes come and go while we look.
            if let Some(pid) = pid
                && let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat"))
                && is_alive_in(&stat, leader, pid)
            {
                members.push(pid);
            }
        }
        Ok(members)
    }
}

/// The leader counts before it has a session, too.
fn is_alive_in(stat: &str, leader: Pid, pid: Pid) -> bool {
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_whitespace();
    let state = fields.next();
    let session = fields.nth(2).and_then(|session| session.parse().ok()).and_then(Pid::from_raw);
    state != Some("Z") && state != Some("X") && (session == Some(leader) || pid == leader)
}

impl Group for Session {
    fn start(&self, plan: &Plan<'_>) -> io::Result<Cloned> {
        let child = clone_process(None, plan)?;
        *self.leader.lock().unwrap_or_else(PoisonError::into_inner) = Some(child.pid);
        Ok(child)
    }

    fn kill(&self) -> io::Result<()> {
        // A process that forks while we look has a child that we did not see; the kernel's own kill
        // of a group has no such gap.
        for _ in 0..KILL_ROUNDS {
            let members = self.members()?;
            if members.is_empty() {
                break;
            }
            for pid in members {
                // Who has died meanwhile needs no killing.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> io::Result<bool> {
        Ok(!self.haunted && self.members()?.is_empty())
    }

    fn count(&self) -> io::Result<u32> {
        Ok(u32::try_from(self.members()?.len()).unwrap_or(u32::MAX))
    }

    fn memory(&self) -> Memory {
        Memory::default()
    }

    fn remove(&self) -> io::Result<()> {
        if self.is_empty()? { Ok(()) } else { Err(io::ErrorKind::ResourceBusy.into()) }
    }
}
