//! What the host, or who watches for it in the machine, is told: lines of JSON, one for each event.
//!
//! ```json
//! {"event":"ready"}
//! {"event":"exit","status":137,"signal":9,"started":true}
//! ```
//!
//! `signal` is missing where the command ended by itself. Without `started` the command never ran, and
//! the console says why.

mod socket;

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
    net::{Shutdown, shutdown},
};
use serde::Serialize;

use super::{ended::Ended, words::Target};

/// Where the kernel lists the named ports of virtio serial devices.
const PORTS: &str = "/sys/class/virtio-ports";
/// How long the other end gets to close a connection, which says that it has read everything.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    Ready,
    Exit {
        status: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        started: bool,
    },
}

impl Event {
    pub(super) fn exit(ended: Ended) -> Self {
        let (signal, started) = match ended {
            Ended::Exited(_) => (None, true),
            Ended::Killed(signal) => (Some(signal), true),
            Ended::NotStarted(_) => (None, false),
        };
        Self::Exit { status: ended.status(), signal, started }
    }
}

/// Nobody, until it is opened.
#[derive(Debug, Default)]
pub(super) struct Report {
    place: Option<OwnedFd>,
    is_socket: bool,
}

impl Report {
    pub(super) fn open(target: &Target) -> io::Result<Self> {
        let device = |path: &Path| {
            let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
            rustix::fs::open(path, flags, Mode::empty())
        };
        let (place, is_socket) = match target {
            Target::Vsock(port) => (socket::of_host(*port)?, true),
            Target::Abstract(name) => (socket::of_name(name)?, true),
            Target::Socket(path) => (socket::at(path)?, true),
            Target::Port(name) => (device(&find_port(Path::new(PORTS), name)?)?, false),
            Target::Device(path) => (device(path)?, false),
        };
        Ok(Self { place: Some(place), is_socket })
    }

    pub(super) fn tell(&mut self, event: &Event) -> io::Result<()> {
        let Some(place) = &self.place else { return Ok(()) };
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        // A line is shorter than what anything takes at once.
        match rustix::io::write(place, &line)? {
            length if length == line.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// What is under way on a socket would end with the machine.
    pub(super) fn close(self) {
        let Some(place) = self.place.filter(|_| self.is_socket) else { return };
        let limit = Timespec::try_from(CLOSE_LIMIT);
        if let (Ok(()), Ok(limit)) = (shutdown(&place, Shutdown::Write), limit) {
            // Whether it was read or not: there is nothing more to do.
            let _ = poll(&mut [PollFd::new(&place, PollFlags::IN)], Some(&limit));
        }
    }
}

/// The device of a port; nothing else in the guest makes a link of its name.
fn find_port(class: &Path, name: &str) -> io::Result<PathBuf> {
    for entry in std::fs::read_dir(class)? {
        let device = entry?.file_name();
        let named = std::fs::read_to_string(class.join(&device).join("name"));
        if named.is_ok_and(|named| named.trim_end_matches('\n') == name) {
            return Ok(Path::new("/dev").join(device));
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "the machine has no port of this name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_lines_of_json() {
        let check = |event: Event, expected: &str| {
            assert_eq!(serde_json::to_string(&event).unwrap(), expected);
        };
        check(Event::Ready, r#"{"event":"ready"}"#);
        check(Event::exit(Ended::Exited(3)), r#"{"event":"exit","status":3,"started":true}"#);
        check(
            Event::exit(Ended::Killed(9)),
            r#"{"event":"exit","status":137,"signal":9,"started":true}"#,
        );
        check(
            Event::exit(Ended::NotStarted(127)),
            r#"{"event":"exit","status":127,"started":false}"#,
        );
    }

    #[test]
    fn a_port_is_found_by_its_name() {
        let class = tempfile::tempdir().unwrap();
        for (device, name) in [("vport0p1", "other\n"), ("vport1p2", "org.kiln\n")] {
            std::fs::create_dir(class.path().join(device)).unwrap();
            std::fs::write(class.path().join(device).join("name"), name).unwrap();
        }
        assert_eq!(find_port(class.path(), "org.kiln").unwrap(), Path::new("/dev/vport1p2"));
        let missing = find_port(class.path(), "org").unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
