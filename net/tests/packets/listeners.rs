//! Services that a guest has no business with, and the one that it has: each tells whether anybody
//! came.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use kiln_net::namespace::Namespace;

use crate::stage::PATIENCE;

/// What one heard: where it listens, and from whom it came.
pub(crate) type Heard = Vec<(SocketAddr, SocketAddr)>;

/// Of both transports at each of the addresses. They answer with what they got.
pub(crate) struct Listeners {
    heard: Arc<Mutex<Heard>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listeners {
    pub(crate) fn open(namespace: &Namespace, addresses: &[(IpAddr, u16)]) -> Self {
        let sockets = namespace.enter(|| {
            addresses
                .iter()
                .map(|address| {
                    let stream = TcpListener::bind(address)?;
                    stream.set_nonblocking(true)?;
                    let datagrams = UdpSocket::bind(address)?;
                    datagrams.set_nonblocking(true)?;
                    Ok((stream, datagrams))
                })
                .collect::<io::Result<Vec<_>>>()
        });
        let sockets = sockets.unwrap();
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let over: Arc<AtomicBool> = Arc::default();
        let (told, ended) = (Arc::clone(&heard), Arc::clone(&over));
        let thread = thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                for (streams, datagrams) in &sockets {
                    serve(streams, datagrams, &told);
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        Self { heard, over, thread: Some(thread) }
    }

    /// Waits until so many have come.
    pub(crate) fn wait(&self, count: usize) -> Heard {
        let deadline = Instant::now() + PATIENCE;
        while self.heard().len() < count && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        let heard = self.heard();
        assert_eq!(heard.len(), count, "{heard:?}");
        heard
    }

    pub(crate) fn heard(&self) -> Heard {
        self.heard.lock().unwrap().clone()
    }
}

fn serve(streams: &TcpListener, datagrams: &UdpSocket, heard: &Mutex<Heard>) {
    while let Ok((mut stream, from)) = streams.accept() {
        heard.lock().unwrap().push((streams.local_addr().unwrap(), from));
        let answered = stream.set_read_timeout(Some(Duration::from_millis(200))).and_then(|()| {
            stream.set_nonblocking(false)?;
            let mut buffer = [0; 2048];
            let length = stream.read(&mut buffer)?;
            stream.write_all(&buffer[..length])
        });
        // Whoever only knocks says nothing.
        let _ = answered;
    }
    let mut buffer = [0; 2048];
    while let Ok((length, from)) = datagrams.recv_from(&mut buffer) {
        heard.lock().unwrap().push((datagrams.local_addr().unwrap(), from));
        let _ = datagrams.send_to(&buffer[..length], from);
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
