//! A registry that does as it is told: it speaks HTTP/1.1 just well enough, counts what it is asked
//! for, and can be made to fail at any byte.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::Engine as _;
use kiln_registry::digest::Digest;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The connection is cut after so many bytes of the body.
    pub(crate) cut_at: Option<usize>,
    /// Nothing more comes after so many bytes of the body, and the connection stays.
    pub(crate) stall_at: Option<usize>,
    /// Before its first byte.
    pub(crate) delay: Duration,
    /// After each 64 KiB.
    pub(crate) pace: Duration,
}

type Fault = Box<dyn FnMut(&Request, &Reply) -> Option<Reply> + Send>;

#[derive(Default)]
struct State {
    /// By `NAME/manifests/REFERENCE` and `NAME/blobs/DIGEST`: type and bytes.
    content: Mutex<HashMap<String, (String, Vec<u8>)>>,
    /// User and password; none: anybody. What is below `open/` is anybody's all the same.
    account: Mutex<Option<(String, String)>>,
    fault: Mutex<Option<Fault>>,
    seen: Mutex<Vec<Request>>,
    connections: AtomicUsize,
}

pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

/// An image of one layer.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) manifest: Digest,
    pub(crate) layer: Digest,
    pub(crate) config: Digest,
    pub(crate) bytes: Vec<u8>,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let registry = Self { address, state: Arc::default(), accepting: Mutex::default() };
        registry.accept(listener);
        registry
    }

    fn accept(&self, listener: TcpListener) {
        let state = Arc::clone(&self.state);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                state.connections.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(stream, Arc::clone(&state)));
            }
        });
        *self.accepting.lock().unwrap() = Some(task);
    }

    /// Cuts all connections, and refuses more.
    pub(crate) async fn turn_off(&self) {
        let task = self.accepting.lock().unwrap().take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
    }

    pub(crate) async fn turn_on(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.accept(listener);
    }

    /// As references name it.
    pub(crate) fn host(&self) -> kiln_registry::name::Host {
        self.address.to_string().parse().unwrap()
    }

    pub(crate) fn require(&self, user: &str, password: &str) {
        *self.state.account.lock().unwrap() = Some((user.to_owned(), password.to_owned()));
    }

    /// Anybody may have all of it.
    pub(crate) fn publish(&self) {
        *self.state.account.lock().unwrap() = None;
    }

    pub(crate) fn put(&self, path: &str, media_type: &str, bytes: &[u8]) {
        let content = (media_type.to_owned(), bytes.to_vec());
        self.state.content.lock().unwrap().insert(path.to_owned(), content);
    }

    pub(crate) fn remove(&self, path: &str) {
        self.state.content.lock().unwrap().remove(path);
    }

    pub(crate) fn put_blob(&self, name: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.put(&format!("{name}/blobs/{digest}"), "application/octet-stream", bytes);
        digest
    }

    pub(crate) fn put_manifest(
        &self,
        name: &str,
        tag: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Digest {
        let digest = Digest::of(bytes);
        self.put(&format!("{name}/manifests/{tag}"), media_type, bytes);
        self.put(&format!("{name}/manifests/{digest}"), media_type, bytes);
        digest
    }

    pub(crate) fn put_image(&self, name: &str, tag: &str, layer: &[u8]) -> Image {
        let config = self.put_blob(name, b"{}");
        let digest = self.put_blob(name, layer);
        let bytes = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config.to_string(), "size": 2},
            "layers": [{"mediaType": LAYER, "digest": digest.to_string(), "size": layer.len()}],
        });
        let bytes = bytes.to_string().into_bytes();
        let manifest = self.put_manifest(name, tag, MANIFEST, &bytes);
        Image { manifest, layer: digest, config, bytes }
    }

    /// Asked before each answer, with the one that would be given.
    pub(crate) fn fail(
        &self,
        fault: impl FnMut(&Request, &Reply) -> Option<Reply> + Send + 'static,
    ) {
        *self.state.fault.lock().unwrap() = Some(Box::new(fault));
    }

    pub(crate) fn heal(&self) {
        *self.state.fault.lock().unwrap() = None;
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.state.seen.lock().unwrap().clone()
    }

    /// How many requests of this method have this in their target.
    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        let seen = self.seen();
        seen.iter().filter(|one| one.method == method && one.target.contains(part)).count()
    }

    pub(crate) fn forget_seen(&self) {
        self.state.seen.lock().unwrap().clear();
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Some(task) = self.accepting.lock().unwrap().take() {
            task.abort();
        }
    }
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    while let Some(request) = read(&mut stream).await {
        let usual = state.reply(&request);
        state.seen.lock().unwrap().push(request.clone());
        let faulty = state.fault.lock().unwrap().as_mut().and_then(|fault| fault(&request, &usual));
        let reply = faulty.unwrap_or(usual);
        if write(&mut stream, &request, reply).await.is_none() {
            return;
        }
    }
}

/// None: no more of them.
async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Some(Request { method, target, headers })
}

/// None: the connection is over.
async fn write(stream: &mut TcpStream, request: &Request, reply: Reply) -> Option<()> {
    let Reply { status, headers, body, cut_at, stall_at, delay, pace } = reply;
    tokio::time::sleep(delay).await;
    let mut head = format!("HTTP/1.1 {status} Told\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
    }
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await.ok()?;
    if request.method == "HEAD" {
        return Some(());
    }
    let end = cut_at.or(stall_at).unwrap_or(body.len()).min(body.len());
    for piece in body[..end].chunks(64 << 10) {
        stream.write_all(piece).await.ok()?;
        if !pace.is_zero() {
            tokio::time::sleep(pace).await;
        }
    }
    if stall_at.is_some() {
        // Until the client is tired of it.
        let _ = stream.read_u8().await;
    }
    (cut_at.is_none() && stall_at.is_none()).then_some(())
}

impl State {
    fn reply(&self, request: &Request) -> Reply {
        let is_open = request.target.starts_with("/v2/open/");
        if let Some((user, password)) = &*self.account.lock().unwrap()
            && !is_open
        {
            let pair =
                base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            let given = request.headers.get("authorization");
            if given != Some(&format!("Basic {pair}")) {
                return Reply::status(401).header("WWW-Authenticate", "Basic realm=\"test\"");
            }
        }
        let path = request.target.strip_prefix("/v2/").unwrap_or_default();
        let content = self.content.lock().unwrap().get(path).cloned();
        let Some((media_type, bytes)) = content else { return Reply::status(404) };
        let digest = Digest::of(&bytes).to_string();
        let reply = Reply::status(200)
            .header("Content-Type", &media_type)
            .header("Docker-Content-Digest", &digest);
        let range = request.headers.get("range").and_then(|range| {
            range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
        });
        match range {
            Some(from) if from < bytes.len() => {
                let last = bytes.len() - 1;
                let range = format!("bytes {from}-{last}/{}", bytes.len());
                let body = bytes[from..].to_vec();
                Reply { status: 206, body, ..reply }.header("Content-Range", &range)
            }
            Some(_) => Reply::status(416),
            None => with_length(Reply { body: bytes, ..reply }),
        }
    }
}

/// To a `HEAD` as well.
fn with_length(reply: Reply) -> Reply {
    let length = reply.body.len().to_string();
    reply.header("Content-Length", &length)
}
