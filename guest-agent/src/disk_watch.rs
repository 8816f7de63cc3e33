//! Tells whether the scratch disk ran full while a command ran.
//!
//! A program may hit the end of the disk, clean up after itself and exit: the disk is looked at
//! while the command runs and once more at its end, and what was seen once is remembered. `statfs`
//! can block on a file system in trouble, so one thread, started at boot, does all the looking and
//! nobody waits for it without a limit.

mod fullness;

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use rustix::fs::StatFs;
use tokio::{sync::oneshot, time::timeout};

pub(crate) use self::fullness::DiskFull;

/// How often the disk is looked at while commands run. One look costs microseconds.
const INTERVAL: Duration = Duration::from_millis(200);
/// How long the end of a command waits for the last look.
const LAST_LOOK_LIMIT: Duration = Duration::from_millis(500);

/// Asks the disk's file system.
pub(crate) type Look = Box<dyn Fn() -> rustix::io::Result<StatFs> + Send>;

#[derive(Clone, Debug)]
pub(crate) struct DiskWatch {
    orders: Sender<Order>,
}

/// One command's memory of the disk.
#[derive(Debug)]
pub(crate) struct Watching {
    /// Written by the thread, read at the command's end.
    seen: Arc<Seen>,
    orders: Sender<Order>,
}

type Seen = Mutex<Option<DiskFull>>;

#[derive(Debug)]
enum Order {
    Watch(Weak<Seen>),
    /// Answered after a look that began later than the order.
    LookNow(oneshot::Sender<()>),
}

impl DiskWatch {
    pub(crate) fn start(look: Look) -> io::Result<Self> {
        let (orders, incoming) = mpsc::channel();
        thread::Builder::new().name("disk-watch".to_owned()).stack_size(64 * 1024).spawn(
            move || {
                let mut watching = Vec::new();
                loop {
                    let order = if watching.is_empty() {
                        incoming.recv().map_err(RecvTimeoutError::from)
                    } else {
                        incoming.recv_timeout(INTERVAL)
                    };
                    let asked = match order {
                        Ok(Order::Watch(seen)) => {
                            watching.push(seen);
                            continue;
                        }
                        Ok(Order::LookNow(asked)) => Some(asked),
                        Err(RecvTimeoutError::Timeout) => None,
                        Err(RecvTimeoutError::Disconnected) => return,
                    };
                    remember(&mut watching, look().ok().as_ref().and_then(DiskFull::decide));
                    if let Some(asked) = asked {
                        // Who stopped waiting was told nothing and claims nothing.
                        let _ = asked.send(());
                    }
                }
            },
        )?;
        Ok(Self { orders })
    }

    /// From now on, until the result is dropped.
    pub(crate) fn watch(&self) -> Watching {
        let seen = Arc::default();
        // The thread ends when the last sender is gone, so it is there.
        let _ = self.orders.send(Order::Watch(Arc::downgrade(&seen)));
        Watching { seen, orders: self.orders.clone() }
    }
}

impl Watching {
    /// Looks once more, and says what was seen since the watch began.
    pub(crate) async fn finish(self) -> Option<DiskFull> {
        let (asked, answered) = oneshot::channel();
        let _ = self.orders.send(Order::LookNow(asked));
        // A disk that answers nothing counts as what was seen of it before.
        let _ = timeout(LAST_LOOK_LIMIT, answered).await;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remember(watching: &mut Vec<Weak<Seen>>, full: Option<DiskFull>) {
    watching.retain(|seen| {
        let Some(seen) = seen.upgrade() else { return false };
        if full.is_some() {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = full;
        }
        true
    });
}

#[cfg(test)]
mod tests;
