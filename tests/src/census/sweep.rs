//! Ends what a story left that failed.

use std::{fs, path::Path, time::Duration};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{Leftover, processes};
use crate::until;

const LIMIT: Duration = Duration::from_secs(10);

/// Processes that bear a mark, and the cgroups that they were in.
pub(crate) async fn sweep(left: &[Leftover]) {
    let ours: Vec<_> = left.iter().filter(|thing| thing.kind == "process").collect();
    for process in &ours {
        kill(process);
    }
    // A cgroup can't be removed before they are dead. Whatever can't be ended is told afterwards.
    let _ = until("what was left is dead", LIMIT, async || {
        let alive = processes()?.iter().any(|one| ours.iter().any(|ours| ours.name == one.name));
        Ok((!alive).then_some(()))
    })
    .await;
    let groups = left.iter().filter(|thing| thing.kind == "cgroup");
    let mut groups: Vec<_> = groups.map(|group| &group.name).collect();
    groups.sort_unstable_by_key(|path| std::cmp::Reverse(path.len()));
    // Whoever died in one is in it until the last of its memory is given back.
    let _ = until("what the dead were in is gone", LIMIT, async || {
        for group in &groups {
            let _ = fs::remove_dir(group);
        }
        let are_gone = groups.iter().all(|group| !Path::new(group.as_str()).exists());
        Ok(are_gone.then_some(()))
    })
    .await;
}

/// By a handle that was opened before we looked again, so that nobody else is hit.
fn kill(process: &Leftover) {
    let id = process.name.split_once(": ").and_then(|(id, _)| id.parse().ok());
    let Some(handle) =
        id.and_then(Pid::from_raw).and_then(|id| pidfd_open(id, PidfdFlags::empty()).ok())
    else {
        return;
    };
    let is_the_same = processes().is_ok_and(|now| now.iter().any(|one| one.name == process.name));
    if is_the_same {
        let _ = pidfd_send_signal(handle, Signal::KILL);
    }
}
