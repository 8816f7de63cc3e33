//! Groups without control groups, for an agent that is no guest's: the processes of one session.
//! They are found in `/proc` and killed for real. What a guest can rely on is missing: a process that
//! leaves the session has escaped, and neither memory nor pids have a limit.

use std::{
    fs, io,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::process::{Pid, Signal, getpid, kill_process};

use crate::{
    command::Limits,
    group::{EngineGroups, Group, Groups, Memory},
    process::{Cloned, Plan, clone_process},
};

const KILL_ROUNDS: u32 = 100;

#[derive(Debug)]
pub(crate) struct Sessions {
    /// Says for ever that something is left, as a process in the kernel's hands would.
    #[cfg(test)]
    pub(crate) haunted: bool,
}

impl Sessions {
    /// Refused where `/proc` counts processes as another pid namespace does: whoever is killed by
    /// its numbers is a stranger.
    pub(crate) fn new() -> io::Result<Self> {
        let own = fs::read_link("/proc/self")?;
        if own.to_str() != Some(&*getpid().to_string()) {
            return Err(io::Error::other("/proc is of another pid namespace"));
        }
        Ok(Self {
            #[cfg(test)]
            haunted: false,
        })
    }
}

#[derive(Debug)]
struct Session {
    #[cfg(test)]
    haunted: bool,
    leader: Mutex<Option<Pid>>,
}

impl Groups for Sessions {
    fn create(&self, _: &Limits) -> io::Result<Box<dyn Group>> {
        Ok(Box::new(Session {
            #[cfg(test)]
            haunted: self.haunted,
            leader: Mutex::default(),
        }))
    }

    fn create_for_engine(&self, _: &Limits) -> io::Result<Arc<dyn EngineGroups>> {
        Ok(Arc::new(Self {
            #[cfg(test)]
            haunted: self.haunted,
        }))
    }
}

/// Steps of builds are in no session that is known.
impl EngineGroups for Sessions {
    fn daemon(&self) -> io::Result<Box<dyn Group>> {
        self.create(&Limits::default())
    }

    fn store(&self) -> io::Result<Box<dyn Group>> {
        self.create(&Limits::default())
    }

    fn client(&self) -> io::Result<Box<dyn Group>> {
        self.create(&Limits::default())
    }

    fn steps(&self) -> Option<&'static str> {
        None
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
            let pid = name.to_str().and_then(parse_pid);
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

/// A process that is about to be gone has a session of -1, which is no pid.
fn parse_pid(text: &str) -> Option<Pid> {
    text.parse().ok().filter(|raw| *raw > 0).and_then(Pid::from_raw)
}

/// The leader counts before it has a session, too.
fn is_alive_in(stat: &str, leader: Pid, pid: Pid) -> bool {
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_whitespace();
    let state = fields.next();
    let session = fields.nth(2).and_then(parse_pid);
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
        #[cfg(test)]
        if self.haunted {
            return Ok(false);
        }
        Ok(self.members()?.is_empty())
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
