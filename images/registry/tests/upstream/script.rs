//! A server that says what a test has it say, byte for byte.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kiln_registry::name::Host;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// With its headers.
    pub head: String,
    pub body: Vec<u8>,
    pub at: Instant,
}

pub(crate) enum Say {
    Bytes(Vec<u8>),
    Wait(Duration),
    Close,
}

type Handler = dyn Fn(&Seen, usize) -> Vec<Say> + Send + Sync;

pub(crate) struct Server {
    pub host: Host,
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Seen {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Server {
    /// `handler` gets the request, and how many there were before it.
    pub(crate) async fn start(
        handler: impl Fn(&Seen, usize) -> Vec<Say> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(None, handler).await
    }

    pub(crate) async fn with_tls(
        acceptor: TlsAcceptor,
        handler: impl Fn(&Seen, usize) -> Vec<Say> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(acceptor), handler).await
    }

    async fn listen(
        acceptor: Option<TlsAcceptor>,
        handler: impl Fn(&Seen, usize) -> Vec<Say> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let connections = Arc::new(AtomicUsize::new(0));
        let handler: Arc<Handler> = Arc::new(handler);
        let task = tokio::spawn({
            let (seen, connections) = (seen.clone(), connections.clone());
            async move {
                loop {
                    let Ok((stream, _)) = listener.accept().await else { return };
                    connections.fetch_add(1, Ordering::SeqCst);
                    let (seen, handler, acceptor) =
                        (seen.clone(), handler.clone(), acceptor.clone());
                    tokio::spawn(async move {
                        match acceptor {
                            None => serve(stream, &seen, &*handler).await,
                            Some(acceptor) => {
                                if let Ok(stream) = acceptor.accept(stream).await {
                                    serve(stream, &seen, &*handler).await;
                                }
                            }
                        }
                    });
                }
            }
        });
        let host = format!("127.0.0.1:{port}").parse().unwrap();
        Self { host, port, seen, connections, task }
    }

    /// Under another name.
    pub(crate) fn named(&self, name: &str) -> Host {
        format!("{name}:{}", self.port).parse().unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(|seen| seen.line().to_owned()).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    seen: &Mutex<Vec<Seen>>,
    handler: &Handler,
) {
    let mut rest = Vec::new();
    while let Some(request) = request(&mut stream, &mut rest).await {
        let nth = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        for say in handler(&request, nth) {
            match say {
                Say::Bytes(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                    drop(stream.flush().await);
                }
                Say::Wait(time) => tokio::time::sleep(time).await,
                Say::Close => {
                    drop(stream.shutdown().await);
                    return;
                }
            }
        }
    }
}

async fn request(stream: &mut (impl AsyncRead + Unpin), rest: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(rest).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&rest[..end]).into_owned();
    let mut seen = Seen { head, body: Vec::new(), at: Instant::now() };
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    while rest.len() < end + length {
        if stream.read_buf(rest).await.ok()? == 0 {
            return None;
        }
    }
    seen.body = rest[end..end + length].to_vec();
    rest.drain(..end + length);
    Some(seen)
}

/// A whole answer; `headers` in lines.
pub(crate) fn answer(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<Say> {
    let mut bytes = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for header in headers {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    let body = body.as_ref();
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    vec![Say::Bytes(bytes)]
}

/// Only a head: whatever length it says.
pub(crate) fn head(status: &str, headers: &[&str]) -> Say {
    let headers: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
    Say::Bytes(format!("HTTP/1.1 {status}\r\n{headers}\r\n").into_bytes())
}
