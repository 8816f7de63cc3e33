//! What Kiln's own init says of itself: lines of JSON on an abstract socket, as `docs/init.md` has them.
//!
//! Whoever runs in the machine can connect. Process 1 is believed, once, and nobody else: what it was
//! before the tenant's root could reach it is what it says. A line that is too long ends the belief, and
//! one that is nothing is passed over; neither ends the connection, as the init waits for its close.

use std::{
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener as StdListener},
    },
    time::Duration,
};

use serde::Deserialize;
use tokio::{
    io::AsyncReadExt as _,
    net::{UnixListener, UnixStream},
    sync::watch,
    time::sleep,
};

/// Behind the NUL of an abstract name.
const NAME: &str = "kiln-report";
const MAX_LINE_BYTES: usize = 1024;
/// After an accept that failed, for want of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// What the init has said so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) ready: bool,
    pub(crate) ending: Option<Ending>,
}

/// How the init's command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// docker's.
    pub(crate) status: u8,
}

#[derive(Debug)]
pub(crate) struct Reports {
    listener: UnixListener,
    told: watch::Sender<Told>,
}

impl Reports {
    /// Before the init is started. Needs a runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        Self::listen_at(NAME)
    }

    fn listen_at(name: &str) -> io::Result<Self> {
        let listener = StdListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        Ok(Self { listener, told: watch::Sender::default() })
    }

    pub(crate) fn told(&self) -> watch::Receiver<Told> {
        self.told.subscribe()
    }

    /// Never resolves. Dropping it closes the init's connection, for which the init waits at its end.
    pub(crate) async fn hear(&self) {
        self.hear_from(1).await;
    }

    async fn hear_from(&self, process: i32) {
        let mut stream = loop {
            match self.listener.accept().await {
                Ok((stream, _)) if is_of(&stream, process) => break stream,
                Ok(_somebody_else) => {}
                Err(_) => sleep(PAUSE).await,
            }
        };
        let mut lines = Lines::default();
        let mut bytes = [0; MAX_LINE_BYTES];
        while let Ok(length @ 1..) = stream.read(&mut bytes).await {
            for event in lines.take(&bytes[..length]) {
                self.told.send_modify(|told| told.hear(event));
            }
        }
        std::future::pending::<()>().await;
        drop(stream);
    }
}

fn is_of(stream: &UnixStream, process: i32) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.pid() == Some(process))
}

impl Told {
    /// An end is told once.
    fn hear(&mut self, event: Event) {
        match event {
            Event::Ready => self.ready = true,
            Event::Exit { status } => {
                self.ending.get_or_insert(Ending { status });
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Ready,
    Exit { status: u8 },
}

/// Of a stream, each in full.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
    /// One was too long.
    lost: bool,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in bytes {
            if self.lost {
                break;
            }
            if *byte == b'\n' {
                events.extend(serde_json::from_slice::<Event>(&self.begun).ok());
                self.begun.clear();
            } else if self.begun.len() < MAX_LINE_BYTES {
                self.begun.push(*byte);
            } else {
                self.lost = true;
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[test]
    fn events_are_whole_lines() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"{\"event\":\"rea"), []);
        assert_eq!(lines.take(b"dy\"}\n{\"event\":\"exit\",\"status\":3,"), [Event::Ready]);
        assert_eq!(lines.take(b"\"started\":true}\n"), [Event::Exit { status: 3 }]);
        let killed = b"{\"event\":\"exit\",\"status\":137,\"signal\":9,\"started\":true}\n";
        assert_eq!(lines.take(killed), [Event::Exit { status: 137 }]);
    }

    #[test]
    fn what_is_no_event_is_passed_over() {
        for noise in
            ["\n", "ready\n", "{}\n", "{\"event\":\"exit\",\"status\":256}\n", "\u{1f525}\n[[[[\n"]
        {
            let mut lines = Lines::default();
            assert_eq!(lines.take(noise.as_bytes()), [], "{noise:?}");
            assert_eq!(lines.take(b"{\"event\":\"ready\"}\n"), [Event::Ready], "{noise:?}");
        }
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory() {
        let mut lines = Lines::default();
        for _ in 0..1000 {
            assert_eq!(lines.take(&[b'x'; 4096]), []);
        }
        assert!(lines.begun.capacity() <= 2 * MAX_LINE_BYTES);
        assert_eq!(lines.take(b"\n{\"event\":\"ready\"}\n"), []);
    }

    #[test]
    fn the_first_end_counts() {
        let mut told = Told::default();
        told.hear(Event::Exit { status: 3 });
        told.hear(Event::Exit { status: 0 });
        assert_eq!(told, Told { ready: false, ending: Some(Ending { status: 3 }) });
    }

    fn call(name: &str) -> UnixStream {
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let stream = std::os::unix::net::UnixStream::connect_addr(&address).unwrap();
        stream.set_nonblocking(true).unwrap();
        UnixStream::from_std(stream).unwrap()
    }

    #[tokio::test]
    async fn nobody_but_the_init_is_believed() {
        let name = format!("kiln-report-test-{}", std::process::id());
        let own = i32::try_from(std::process::id()).unwrap();
        for (believed, expected) in [(own + 1, false), (own, true)] {
            let reports = Reports::listen_at(&name).unwrap();
            let mut told = reports.told();
            let mut caller = call(&name);
            caller.write_all(b"{\"event\":\"ready\"}\n").await.unwrap();
            let closed = async {
                let _end_or_reset = caller.read(&mut [0]).await;
            };
            let heard = tokio::select! {
                () = reports.hear_from(believed) => unreachable!("it never resolves"),
                changed = told.wait_for(|told| told.ready) => changed.is_ok(),
                () = closed => false,
            };
            assert_eq!(heard, expected);
        }
    }

    #[tokio::test]
    async fn the_connection_closes_when_nobody_listens_any_more() {
        let name = format!("kiln-report-close-{}", std::process::id());
        let own = i32::try_from(std::process::id()).unwrap();
        let reports = Reports::listen_at(&name).unwrap();
        let mut told = reports.told();
        let mut caller = call(&name);
        caller.write_all(b"{\"event\":\"exit\",\"status\":0}\n").await.unwrap();
        caller.shutdown().await.unwrap();
        {
            let mut hearing = std::pin::pin!(reports.hear_from(own));
            tokio::select! {
                () = &mut hearing => unreachable!("it never resolves"),
                heard = told.wait_for(|told| told.ending.is_some()) => drop(heard.unwrap()),
            }
            let early = tokio::time::timeout(Duration::from_millis(20), async {
                tokio::select! {
                    () = &mut hearing => {}
                    _ = caller.readable() => {}
                }
            });
            assert!(early.await.is_err(), "it closed before it was dropped");
        }
        assert_eq!(caller.read(&mut [0]).await.unwrap(), 0);
    }
}
