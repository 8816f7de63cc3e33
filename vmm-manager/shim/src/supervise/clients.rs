//! Everybody who is connected.

use std::{
    os::fd::{BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    net::{SocketFlags, accept_with, sockopt::socket_peercred},
    process::geteuid,
};

use super::{
    client::{Client, Wish},
    machine::Machine,
};

/// One kilnd needs three.
const MAX_CLIENTS: usize = 16;
/// For a client to say who it is.
const HELLO_LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Clients {
    listener: OwnedFd,
    clients: Vec<Client>,
}

impl Clients {
    pub(super) fn new(listener: OwnedFd) -> Self {
        let _cannot_fail_on_a_socket = rustix::io::ioctl_fionbio(&listener, true);
        Self { listener, clients: Vec::new() }
    }

    pub(super) fn listener(&self) -> &OwnedFd {
        &self.listener
    }

    /// What to poll, and whether for room to write: one that has not taken our answer is not heard.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        self.clients.iter().map(|client| (client.descriptor(), client.has_words()))
    }

    /// When the next of those who keep silent has been silent for too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let silent = self.clients.iter().filter_map(Client::stranger_since);
        silent.min().map(|since| since + HELLO_LIMIT)
    }

    pub(super) fn admit(&mut self) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let Ok(stream) = accept_with(&self.listener, flags) else { return };
        // The directory's mode says the same; a VMM with a user of its own is not our client.
        if !socket_peercred(&stream).is_ok_and(|peer| peer.uid == geteuid()) {
            return;
        }
        if self.clients.len() == MAX_CLIENTS {
            // A stranger makes room; those who are known stay.
            let strangers = self.clients.iter().enumerate();
            let strangers = strangers.filter_map(|(at, one)| Some((one.stranger_since()?, at)));
            match strangers.min() {
                Some((_, at)) => drop(self.clients.remove(at)),
                None => return,
            }
        }
        self.clients.push(Client::new(stream));
    }

    /// Serves those of whom `poll` said that there is something to do, in the order of
    /// [`Clients::descriptors`].
    pub(super) fn attend(&mut self, ready: &[bool], machine: &mut Machine) -> Wish {
        let mut wish = Wish::None;
        let mut ready = ready.iter().copied();
        let now = Instant::now();
        self.clients.retain_mut(|client| {
            let ready = ready.next().unwrap_or(false);
            let served = match (ready, client.has_words()) {
                (false, _) => Ok(Wish::None),
                (true, false) => client.hear(machine),
                (true, true) => client.write(machine),
            };
            if let Ok(Wish::Done) = served {
                wish = Wish::Done;
            }
            let silent = client.stranger_since().is_some_and(|since| since + HELLO_LIMIT <= now);
            served.is_ok() && !silent
        });
        wish
    }

    /// To those who waited for it.
    pub(super) fn tell_end(&mut self, machine: &mut Machine) {
        self.clients.retain_mut(|client| {
            client.tell_end(machine);
            client.write(machine).is_ok()
        });
    }
}
