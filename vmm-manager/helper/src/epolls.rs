//! What a program of a machine waits for, as the kernel describes it.
//!
//! Whether a bridge can carry calls shows in its epolls alone (the QEMU driver knows why), and these
//! are a secret between processes of one user. So the helper opens their descriptions with the
//! rights of that user, and kilnd reads them as often as it likes; it sees no file of the program's
//! and none of its memory.

use std::{
    fs::{self, File},
    io,
    os::fd::OwnedFd,
    path::Path,
};

use kiln_shim::ProcessIdentity;

use crate::{Policy, Refusal, kill::user};

/// More than any program of ours has; as many as go into a message.
const MOST: usize = 4;
const EPOLL: &str = "anon_inode:[eventpoll]";

/// Of a process that runs as a user of this daemon's VMs.
pub(crate) fn open(
    policy: &Policy,
    process: ProcessIdentity,
) -> Result<io::Result<Vec<OwnedFd>>, Refusal> {
    let pid = process.pid;
    let Some(uid) = user(pid).filter(|uid| policy.is_vms(*uid)) else {
        return Err(Refusal::Process { pid });
    };
    let described = {
        let _theirs = FileRights::of(uid);
        described(pid)
    };
    // It was this process all along, and not one that came to its number meanwhile.
    match process.prove() {
        Ok(Some(_)) => Ok(described),
        Ok(None) => Err(Refusal::Process { pid }),
        Err(source) => Err(Refusal::Io { path: format!("/proc/{pid}").into(), source }),
    }
}

fn described(pid: u32) -> io::Result<Vec<OwnedFd>> {
    let directory = Path::new("/proc").join(pid.to_string());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory.join("fd"))? {
        let entry = entry?;
        let is_epoll = fs::read_link(entry.path()).is_ok_and(|to| to.as_os_str() == EPOLL);
        if is_epoll && found.len() < MOST {
            let description = directory.join("fdinfo").join(entry.file_name());
            found.push(File::open(description)?.into());
        }
    }
    Ok(found)
}

/// While it lives, files are looked at as somebody else looks at them; for the rest this process
/// stays what it is.
pub(crate) struct FileRights;

impl FileRights {
    pub(crate) fn of(id: u32) -> Self {
        set(id);
        Self
    }
}

impl Drop for FileRights {
    fn drop(&mut self) {
        set(0);
    }
}

fn set(id: u32) {
    // SAFETY: plain system calls on numbers; of the one thread that there is. They have no failure
    // that would leave more rights than there were: what is not changed is denied later.
    unsafe {
        if id == 0 {
            libc::setfsuid(id);
            libc::setfsgid(id);
        } else {
            libc::setfsgid(id);
            libc::setfsuid(id);
        }
    }
}
