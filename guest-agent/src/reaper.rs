//! The only waiter of the agent: nothing else in it calls any kind of `wait`.
//!
//! As PID 1, or as the one that is asked to inherit in its stead, the agent inherits every orphan of what
//! it starts, so it waits for *any* child. That takes the exit of a
//! child away from whoever else would wait for it: std's `Command` panics when its child was
//! reaped by someone else, so it is not used here at all.
//!
//! **No exit is lost.** [`Reaper::spawn`] clones the child and enters it into the table under one
//! lock, and [`Reaper::reap_some`] takes a status off the kernel and looks it up under the same lock.
//! So a status is taken either before the clone (then it is of another child) or after the entry
//! was made, however early the child ends. A pid cannot stand in the table twice: the kernel reuses
//! it only after the reaping, and that removes the entry under the same lock.
//!
//! **No wake-up is lost.** The kernel merges SIGCHLDs. Each one that is delivered after a wait call
//! said "none" wakes the loop again, and each wake-up reaps until the kernel says "none".

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::{
    io::Errno,
    process::{Pid, WaitOptions, WaitStatus},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use crate::{kmsg, process::Cloned};

/// How many children are reaped before others get their turn: a fork bomb dies by the thousand.
const BATCH: usize = 128;

/// How a process of the agent's ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    Code(i32),
    Signal(i32),
}

/// Resolves when the process has been reaped.
pub(crate) type Exit = oneshot::Receiver<ExitStatus>;

#[derive(Debug, Default)]
pub(crate) struct Reaper {
    /// Where the process is not the agent's alone, others wait for the rest.
    only_own: bool,
    /// Our own children that live, and who is told of their end.
    waiting: Mutex<HashMap<Pid, oneshot::Sender<ExitStatus>>>,
}

impl Reaper {
    /// Leaves children of the same process alone that are not the agent's.
    pub(crate) fn of_own_children() -> Self {
        Self { only_own: true, ..Self::default() }
    }

    /// Starts a child through `clone`, which must do so and return without waiting for it. What
    /// else it returns is passed on. No two children are born at once.
    pub(crate) fn spawn<T>(
        &self,
        clone: impl FnOnce() -> io::Result<(Cloned, T)>,
    ) -> io::Result<(Cloned, T, Exit)> {
        let (told, exit) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (child, kept) = clone()?;
        waiting.insert(child.pid, told);
        Ok((child, kept, exit))
    }

    /// Reaps until the process ends.
    pub(crate) async fn run(self: Arc<Self>) -> io::Result<()> {
        let mut children = signal(SignalKind::child())?;
        loop {
            // Before the first wait too: children may have ended before the handler was there.
            while self.reap_some() {
                tokio::task::yield_now().await;
            }
            children.recv().await;
        }
    }

    /// Whether there may be more.
    fn reap_some(&self) -> bool {
        if self.only_own {
            self.reap_own();
            return false;
        }
        for _ in 0..BATCH {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    if let (Some(told), Some(status)) = (waiting.remove(&pid), ended(status)) {
                        // Who no longer listens has given the process up.
                        let _ = told.send(status);
                    }
                }
                Ok(None) | Err(Errno::CHILD) => return false,
                Err(Errno::INTR) => {}
                Err(errno) => {
                    kmsg::error(format_args!("children cannot be reaped: {errno}"));
                    return false;
                }
            }
        }
        true
    }

    fn reap_own(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = Vec::new();
        for pid in waiting.keys() {
            match rustix::process::waitpid(Some(*pid), WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => gone.push((pid, ended(status))),
                // It lives, or the wait was interrupted: another signal follows each end.
                Ok(None) | Err(Errno::INTR) => {}
                Err(errno) => {
                    kmsg::error(format_args!("{pid} cannot be waited for: {errno}"));
                    gone.push((*pid, None));
                }
            }
        }
        for (pid, status) in gone {
            if let (Some(told), Some(status)) = (waiting.remove(&pid), status) {
                let _ = told.send(status);
            }
        }
    }
}

/// Nothing but an end is asked for, so there is no stopped or continued process among them.
fn ended(status: WaitStatus) -> Option<ExitStatus> {
    let code = status.exit_status().map(ExitStatus::Code);
    code.or_else(|| status.terminating_signal().map(ExitStatus::Signal))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{sync::LazyLock, thread};

    use super::*;
    use crate::process::{Child, clone_process};

    /// One for the whole test process, which leaves the programs alone that tests run themselves.
    /// That any child is reaped is seen in guests, where it is process 1.
    pub(crate) static REAPER: LazyLock<Arc<Reaper>> = LazyLock::new(|| {
        let reaper = Arc::new(Reaper::of_own_children());
        let running = Arc::clone(&reaper);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(running.run()).unwrap();
        });
        reaper
    });

    struct ExitsWith(i32);

    // SAFETY: it calls nothing but `_exit`.
    unsafe impl Child for ExitsWith {
        fn run(&self) -> i32 {
            self.0
        }
    }

    #[tokio::test]
    async fn the_exit_of_every_child_is_told_however_early_it_is() {
        let mut exits = Vec::new();
        for code in 0..200 {
            let code = code % 100;
            let spawned = REAPER.spawn(|| Ok((clone_process(None, &ExitsWith(code))?, ())));
            let (child, (), exit) = spawned.unwrap();
            exits.push((code, child, exit));
        }
        for (code, child, exit) in exits {
            assert_eq!(exit.await.unwrap(), ExitStatus::Code(code));
            // The pid may be another child's by now; the sender of this one is gone.
            drop(child);
        }
    }
}
