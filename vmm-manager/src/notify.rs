//! What the service manager is told: systemd's `sd_notify`.
//!
//! `NOTIFY_SOCKET` names a datagram socket, by its path or, behind an `@`, by its abstract name.
//! A datagram is lines of `NAME=value`. A manager that asked for a watchdog (`WATCHDOG_USEC`) takes
//! a daemon that was silent for so long as hung. Without that variable nothing is said to anyone.

use std::{
    env,
    ffi::{OsStr, OsString},
    future, io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    #[error("NOTIFY_SOCKET={socket:?} is neither an absolute path nor an abstract name")]
    Address { socket: OsString, source: io::Error },
    #[error("no socket to notify the service manager from")]
    Socket { source: io::Error },
}

#[derive(Debug)]
pub struct Notifier {
    manager: Option<Manager>,
}

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    /// Between two signs of life.
    sign_of_life: Option<Duration>,
}

impl Notifier {
    /// As the manager that started this process asked for it.
    pub fn from_environment() -> Result<Self, NotifyError> {
        let Some(socket) = env::var_os("NOTIFY_SOCKET") else { return Ok(Self { manager: None }) };
        // Set for another process when the pid is another's: it was inherited by mistake.
        let pid = env::var("WATCHDOG_PID").ok();
        let ours = pid.is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = env::var("WATCHDOG_USEC").ok().filter(|_| ours);
        Self::new(&socket, watchdog.as_deref())
    }

    fn new(socket: &OsStr, watchdog_usec: Option<&str>) -> Result<Self, NotifyError> {
        let address = match socket.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            [b'/', ..] => SocketAddr::from_pathname(socket),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        };
        let address =
            address.map_err(|source| NotifyError::Address { socket: socket.to_owned(), source })?;
        let socket = UnixDatagram::unbound().map_err(|source| NotifyError::Socket { source })?;
        // A manager that does not read costs us a message, not the daemon.
        socket.set_nonblocking(true).map_err(|source| NotifyError::Socket { source })?;
        let microseconds = watchdog_usec.and_then(|text| text.parse().ok()).filter(|it| *it > 1);
        let sign_of_life = microseconds.map(|it| Duration::from_micros(it) / 2);
        Ok(Self { manager: Some(Manager { socket, address, sign_of_life }) })
    }

    /// Whoever can connect is served.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// No new jobs: the daemon drains, then ends.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// One line, for `systemctl status`.
    pub fn status(&self, text: &str) {
        self.say(&format!("STATUS={}", text.replace(char::is_control, " ")));
    }

    /// Tells that the daemon lives, twice as often as was asked for. Never returns; drop it. It runs
    /// where everything else does, so a runtime that hangs is silent.
    pub async fn signs_of_life(&self) {
        let Some(period) = self.manager.as_ref().and_then(|manager| manager.sign_of_life) else {
            return future::pending().await;
        };
        let mut ticks = tokio::time::interval(period);
        loop {
            ticks.tick().await;
            self.say("WATCHDOG=1");
        }
    }

    fn say(&self, message: &str) {
        let Some(Manager { socket, address, .. }) = &self.manager else { return };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            tracing::warn!(message, %error, "the service manager was not notified");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(manager: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        manager.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let count = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    fn check(manager: &UnixDatagram, socket: &OsStr) {
        let notifier = Notifier::new(socket, None).unwrap();
        notifier.ready();
        notifier.status("2 running\nSTOPPING=1");
        notifier.stopping();
        assert_eq!(heard(manager), "READY=1");
        assert_eq!(heard(manager), "STATUS=2 running STOPPING=1", "one line, whatever is in it");
        assert_eq!(heard(manager), "STOPPING=1");
    }

    #[test]
    fn a_manager_hears_on_a_path_and_on_an_abstract_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        check(&UnixDatagram::bind(&path).unwrap(), path.as_os_str());
        let name = format!("kiln-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        check(&manager, OsStr::new(&format!("@{name}")));
    }

    #[tokio::test(start_paused = true)]
    async fn signs_of_life_come_twice_as_often_as_asked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(path.as_os_str(), Some("2000000")).unwrap();
        let begun = tokio::time::Instant::now();
        tokio::select! {
            () = notifier.signs_of_life() => {}
            () = tokio::time::sleep(Duration::from_millis(3500)) => {}
        }
        assert_eq!(begun.elapsed(), Duration::from_millis(3500));
        for _ in 0..4 {
            assert_eq!(heard(&manager), "WATCHDOG=1");
        }
        manager.set_nonblocking(true).unwrap();
        assert!(manager.recv(&mut [0; 16]).is_err(), "at 0, 1, 2 and 3 s, and no more");
    }

    #[test]
    fn no_manager_hears_nothing_and_a_wrong_address_is_an_error() {
        let silent = Notifier { manager: None };
        silent.ready();
        for socket in ["relative", "", "vsock:2:1234"] {
            let error = Notifier::new(OsStr::new(socket), None).unwrap_err();
            assert!(matches!(error, NotifyError::Address { .. }), "{socket}");
        }
        // A manager that is gone costs a line in the log.
        Notifier::new(OsStr::new("/nonexistent/notify"), None).unwrap().ready();
    }
}
