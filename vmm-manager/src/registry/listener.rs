//! Where clients on this host find the registry: a loopback address, and a port that stays.
//!
//! ```text
//! port named ──────────────────────────▶ bound, or the start fails
//! port 0 ─▶ registry.port of the home ─▶ bound, or the start fails: clients have it written down
//!              └─ none yet ─▶ the first that is free, beginning with one that the home's id says
//! ```

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::JoinSet,
    time::{Duration, sleep},
};

use super::Service;

const PORT: &str = "registry.port";
/// Below those that the kernel gives to whoever dials: one of them could be taken at the next start.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// Tried before none counts as free.
const TRIES: u16 = 200;
/// Of local clients, at once.
const CONNECTIONS: usize = 256;
/// After an error that may pass: too many files are open, mostly.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(
        "{address} is in use, and the registry cannot listen there; name another address with \
         --registry-listen, or `none`"
    )]
    InUse { address: SocketAddr },
    #[error(
        "{address}, which this home keeps in {}, is in use; let it go, name another address with \
         --registry-listen, or remove the file for a new one", path.display()
    )]
    KeptInUse { address: SocketAddr, path: PathBuf },
    #[error("{} holds no port; remove it for a new one", path.display())]
    NoPort { path: PathBuf },
    #[error("no port of {}–{} is free for the registry; name one with --registry-listen", PORTS.start, PORTS.end - 1)]
    NoneFree,
    #[error("the registry cannot listen at {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("{} could not be used", path.display())]
    Io { path: PathBuf, source: io::Error },
}

#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listening {
    /// `instance` is the home's.
    pub async fn bind(
        address: SocketAddr,
        home: &Path,
        instance: &str,
    ) -> Result<Self, ListenError> {
        if address.port() != 0 {
            return match bound(address).await? {
                Some(listening) => Ok(listening),
                None => Err(ListenError::InUse { address }),
            };
        }
        let path = home.join(PORT);
        match kept(&path)? {
            Some(port) => {
                let address = SocketAddr::new(address.ip(), port);
                bound(address).await?.ok_or(ListenError::KeptInUse { address, path })
            }
            None => {
                let listening = first_free(address, instance).await?;
                keep(&path, listening.address.port())
                    .map_err(|source| ListenError::Io { path, source })?;
                Ok(listening)
            }
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves whoever connects, for ever.
    ///
    /// # Cancel safety
    /// Safe: what is connected then is let go of.
    pub async fn serve(self, service: Arc<Service>) -> std::convert::Infallible {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            // Who comes in over the bound waits in the kernel's queue. Never closed.
            let permit = Arc::clone(&room).acquire_owned().await;
            while connections.try_join_next().is_some() {}
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    // Small words come as they were said; without this they only come later.
                    let _ = stream.set_nodelay(true);
                    let service = Arc::clone(&service);
                    connections.spawn(async move {
                        service.serve_local(stream).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a client of the registry could not be taken");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

/// `None`: somebody else has it.
async fn bound(address: SocketAddr) -> Result<Option<Listening>, ListenError> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(Listening { listener, address })),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(source) => Err(ListenError::Listen { address, source }),
    }
}

/// Two homes begin at two ports, mostly, so that each has the same one again when it is made anew.
async fn first_free(address: SocketAddr, instance: &str) -> Result<Listening, ListenError> {
    let count = PORTS.end - PORTS.start;
    let sum = |sum: u16, byte: u8| sum.wrapping_mul(31).wrapping_add(byte.into());
    let begin = instance.bytes().fold(0, sum) % count;
    for step in 0..TRIES {
        let port = PORTS.start + (begin + step) % count;
        if let Some(listening) = bound(SocketAddr::new(address.ip(), port)).await? {
            return Ok(listening);
        }
    }
    Err(ListenError::NoneFree)
}

fn kept(path: &Path) -> Result<Option<u16>, ListenError> {
    match fs::read_to_string(path) {
        Ok(text) => match text.trim().parse() {
            Ok(port @ 1..) => Ok(Some(port)),
            Ok(0) | Err(_) => Err(ListenError::NoPort { path: path.to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ListenError::Io { path: path.to_owned(), source }),
    }
}

fn keep(path: &Path, port: u16) -> io::Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, format!("{port}\n"))?;
    fs::File::open(&partial)?.sync_all()?;
    fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[tokio::test]
    async fn a_home_keeps_its_port() {
        let home = tempfile::tempdir().unwrap();
        let first = Listening::bind(ANY, home.path(), "one").await.unwrap().address();
        assert!(PORTS.contains(&first.port()));
        let again = Listening::bind(ANY, home.path(), "another id").await.unwrap();
        assert_eq!(again.address(), first);
        let refused = Listening::bind(ANY, home.path(), "one").await.unwrap_err();
        assert!(matches!(refused, ListenError::KeptInUse { .. }), "{refused}");
        let refused = Listening::bind(first, home.path(), "one").await.unwrap_err();
        assert!(matches!(refused, ListenError::InUse { .. }), "{refused}");
        // A new home passes over what is taken.
        let other = tempfile::tempdir().unwrap();
        let second = Listening::bind(ANY, other.path(), "one").await.unwrap();
        assert_ne!(second.address(), first);
    }

    #[tokio::test]
    async fn what_is_no_port_is_told() {
        let home = tempfile::tempdir().unwrap();
        for text in ["", "0", "port", "70000"] {
            fs::write(home.path().join(PORT), text).unwrap();
            let refused = Listening::bind(ANY, home.path(), "one").await.unwrap_err();
            assert!(matches!(refused, ListenError::NoPort { .. }), "{text}: {refused}");
        }
    }
}
