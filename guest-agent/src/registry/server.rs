//! The proxy: who comes, and what becomes of him.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional_with_sizes},
    net::{TcpListener, TcpStream},
    runtime,
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Registry,
    authority::Authority,
    connect::{self, NotConnect, Target},
    dial::dial,
    forward::{forward, refusal},
    hello::{self, Hello},
    request::Requests,
    rewound::Rewound,
};
use crate::kmsg;

/// At once.
const CONNECTIONS: usize = 64;
/// For all that is said before anything is passed on.
const OPENING: Duration = Duration::from_secs(10);
const BUFFER_BYTES: usize = 16 << 10;
/// A handshake takes more than small files do.
const STACK_BYTES: usize = 512 * 1024;
/// After an accept that failed, for want of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Debug)]
pub(super) struct Server {
    registry: Arc<Registry>,
    authority: Arc<Authority>,
}

impl Server {
    pub(super) fn new(registry: Registry, authority: Arc<Authority>) -> Self {
        Self { registry: Arc::new(registry), authority }
    }

    /// On a thread of its own from then on: what it enciphers keeps no command's output waiting.
    pub(super) fn listen(self, address: SocketAddr) -> io::Result<()> {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = move || {
            runtime.block_on(async move {
                match TcpListener::from_std(listener) {
                    Ok(listener) => self.serve(listener).await,
                    Err(error) => {
                        kmsg::error(format_args!("docker's engine is not heard: {error}"));
                    }
                }
            });
        };
        thread::Builder::new().name("registry".to_owned()).stack_size(STACK_BYTES).spawn(serve)?;
        Ok(())
    }

    pub(super) async fn serve(self, listener: TcpListener) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // Who is over it waits where the kernel keeps him.
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let server = self.clone();
                    tokio::spawn(async move {
                        // The engine knows by the connection's end, and tells whoever asked.
                        let _ = server.attend(stream).await;
                        drop(place);
                    });
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn attend(self, mut engine: TcpStream) -> io::Result<()> {
        engine.set_nodelay(true)?;
        let opened = timeout(OPENING, open(&mut engine)).await;
        let Some((target, Hello { is_for_a_registry, bytes })) =
            opened.map_err(|_| io::ErrorKind::TimedOut)??
        else {
            return Ok(());
        };
        if !is_for_a_registry {
            let mut other = dial(&self.registry.network, &target).await?;
            other.write_all(&bytes).await?;
            copy_bidirectional_with_sizes(&mut engine, &mut other, BUFFER_BYTES, BUFFER_BYTES)
                .await?;
            return Ok(());
        }
        let config = self.authority.speak_as(&target.host.to_string()).map_err(io::Error::other)?;
        let accepting = TlsAcceptor::from(config).accept(Rewound::new(bytes, engine));
        let engine = timeout(OPENING, accepting).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let own = target.host.to_string() == self.registry.host;
        let namespace = (!own).then(|| target.namespace());
        let requests = Requests::new(self.registry.name.clone(), namespace);
        forward(engine, requests, self.registry.gateway).await
    }
}

/// The tunnel that is asked for, and the hello in it. `None`: who came has heard why not, or has
/// gone, or speaks no TLS.
async fn open(engine: &mut TcpStream) -> io::Result<Option<(Target, Hello)>> {
    let mut head = Vec::new();
    let end = loop {
        if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if head.len() >= connect::MAX_BYTES {
            refuse(engine, NotConnect::Malformed).await?;
            return Ok(None);
        }
        head.reserve(BUFFER_BYTES);
        if engine.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    };
    let target = match Target::parse(&head[..end]) {
        Ok(target) => target,
        Err(refused) => {
            refuse(engine, refused).await?;
            return Ok(None);
        }
    };
    engine.write_all(b"HTTP/1.1 200 connected\r\n\r\n").await?;
    let hello = hello::read(&head[end..], engine).await;
    Ok(hello.map(|hello| (target, hello)))
}

async fn refuse(engine: &mut TcpStream, refused: NotConnect) -> io::Result<()> {
    engine.write_all(refusal(&refused).as_bytes()).await?;
    engine.shutdown().await
}
