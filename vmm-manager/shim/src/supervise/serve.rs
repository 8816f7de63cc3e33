//! The loop, from the last program's start to the process's own end.

use std::{
    os::fd::OwnedFd,
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::read,
};

use super::{
    client::Wish,
    clients::Clients,
    leash::Leash,
    machine::{Machine, Started},
    signals,
};

const READ_BYTES: usize = 16 * 1024;
/// Between two attempts to write the exit record to a disk that is full.
const AGAIN: Duration = Duration::from_secs(1);
/// So many times longer than else it waits to be heard, when the record could not be written.
const PATIENCE: u32 = 10;

/// Who woke the loop up.
#[derive(Debug)]
struct Woken {
    leash: bool,
    terminated: bool,
    listener: bool,
    clients: Vec<bool>,
}

/// Returns when the supervisor has nothing left to do; whoever runs then is killed by the caller's
/// exit.
pub(super) fn serve(started: Started, leash: Leash, linger: Duration) {
    let Started { machine, listener, lock } = started;
    // Without it nobody could end us in order; then it is done without order, as ever.
    let Ok(termination) = signals::termination() else { return };
    Server { machine, clients: Clients::new(listener), leash, termination, _lock: lock }
        .run(linger);
}

struct Server {
    machine: Machine,
    clients: Clients,
    leash: Leash,
    termination: OwnedFd,
    _lock: OwnedFd,
}

impl Server {
    fn run(mut self, linger: Duration) {
        let mut buffer = vec![0; READ_BYTES];
        // Nobody will ask any more.
        let mut forsaken = false;
        let mut end: Option<End> = None;
        loop {
            if forsaken || self.leash.is_cut() {
                forsaken = true;
                self.machine.kill();
            }
            self.machine.attend(&mut buffer);
            if self.machine.ended().is_some() {
                let first = end.is_none();
                let end = end.get_or_insert_with(|| End::new(linger));
                end.write_down(&self.machine);
                if first {
                    // The record comes first: whoever hears of the end finds it.
                    self.clients.tell_end(&mut self.machine);
                }
                if forsaken || end.is_over() {
                    return;
                }
            }
            let woken = self.sleep(end.as_ref());
            if woken.leash {
                self.leash.hear();
            }
            if woken.terminated {
                let _which = read(&self.termination, &mut [0; 128]);
                forsaken = true;
            }
            if self.clients.attend(&woken.clients, &mut self.machine) == Wish::Done {
                return;
            }
            if woken.listener {
                self.clients.admit();
            }
        }
    }

    fn sleep(&self, end: Option<&End>) -> Woken {
        let mut events = vec![
            PollFd::new(&self.termination, PollFlags::IN),
            PollFd::new(self.clients.listener(), PollFlags::IN),
        ];
        for (client, has_words) in self.clients.descriptors() {
            let flag = if has_words { PollFlags::OUT } else { PollFlags::IN };
            events.push(PollFd::from_borrowed_fd(client, flag));
        }
        let clients = 2..events.len();
        let leash = self.leash.descriptor().map(|leash| {
            events.push(PollFd::from_borrowed_fd(leash, PollFlags::IN));
            events.len() - 1
        });
        if end.is_none() {
            let children = self.machine.descriptors();
            events.extend(children.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        }
        let deadlines = [end.map(End::next), self.clients.deadline(), self.machine.deadline()];
        let deadline = deadlines.into_iter().flatten().min();
        let pause = deadline.map(|deadline| {
            let pause = deadline.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: pause.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: pause.subsec_nanos().into(),
            }
        });
        // Interrupted or out of memory: the round that follows finds nothing and comes back.
        let _woken = poll(&mut events, pause.as_ref());
        let ready = |at: usize| !events[at].revents().is_empty();
        Woken {
            terminated: ready(0),
            listener: ready(1),
            clients: clients.map(ready).collect(),
            leash: leash.is_some_and(ready),
        }
    }
}

/// The time after the machine's.
#[derive(Debug)]
struct End {
    until: Instant,
    unwritten_until: Instant,
    written: bool,
    again: Instant,
}

impl End {
    fn new(linger: Duration) -> Self {
        let now = Instant::now();
        Self {
            until: now + linger,
            unwritten_until: now + linger * PATIENCE,
            written: false,
            again: now,
        }
    }

    /// A full disk may be less so in a moment; the record is told to clients meanwhile.
    fn write_down(&mut self, machine: &Machine) {
        let now = Instant::now();
        if !self.written
            && now >= self.again
            && let Some(record) = machine.ended()
        {
            self.written = record.write(Path::new(".")).is_ok();
            self.again = now + AGAIN;
        }
    }

    fn last(&self) -> Instant {
        if self.written { self.until } else { self.unwritten_until }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.last()
    }

    /// When there is something to do though nobody comes.
    fn next(&self) -> Instant {
        if self.written { self.until } else { self.again.min(self.last()) }
    }
}
