//! What a story has: the registry, a directory, the programs.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use kiln_registry::{
    caller::{self, Caller},
    mirror::{self, Mirror},
    record::{Ledger, Material, Refusal},
    registries::Registries,
    registry::{Registry, Via},
    store::{Limits, Store},
    upstream::{self, Upstream},
};
use tokio::net::TcpListener;

use crate::program::Program;

pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) directory: PathBuf,
    clients: PathBuf,
}

pub(crate) fn tell(story: fn(&Stage), directory: &Path) {
    prepare(directory);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let address = runtime.block_on(serve(directory));
    let clients = crate::clients().unwrap();
    story(&Stage { address, directory: directory.to_owned(), clients });
}

/// Where engines would leave something, they have mounts of ours; `/etc` keeps what it has.
fn prepare(directory: &Path) {
    let run = |line: &str| drop(Program::new("sh").args(["-ec", line]).within(directory).output());
    run("ip link set lo up");
    run("for at in /run /opt /var/lib; do mkdir -p $at; mount -t tmpfs none $at; done");
    run("mkdir etc && mount -t tmpfs none etc && mkdir etc/upper etc/work && \
         mount -t overlay none -o lowerdir=/etc,upperdir=etc/upper,workdir=etc/work /etc");
    fs::create_dir_all(directory.join("home")).unwrap();
}

async fn serve(directory: &Path) -> SocketAddr {
    let store = Store::open(&directory.join("store"), Limits::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = upstream::Config {
        registries: Registries::default(),
        guard: upstream::Guard::new(|_| false),
        limits: upstream::Limits::default(),
    };
    let upstream = Upstream::new(config, Arc::new(upstream::SystemResolver));
    let mirror = Mirror::new(store.clone(), upstream, mirror::Config::default());
    let registry = Registry::new(store, Arc::new(mirror));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let registry = registry.clone();
            tokio::spawn(async move { registry.serve(stream, caller(), Via::Loopback).await });
        }
    });
    address
}

fn caller() -> Caller {
    let outside = caller::Outside::StoredOnly;
    let writes = caller::Writes::All;
    Caller { tenant: "local".to_owned(), job: None, outside, writes, ledger: Arc::new(Nobody) }
}

struct Nobody;

impl Ledger for Nobody {
    fn served(&self, _: Material) {}

    fn refused(&self, _: Refusal) {}
}

impl Stage {
    /// One of the tree's.
    pub(crate) fn client(&self, name: &str) -> Program {
        self.at_home(Program::new(self.path(name)))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let directories = ["usr/bin", "usr/sbin"].map(|bin| self.clients.join(bin).join(name));
        let found = directories.into_iter().find(|path| path.exists());
        found.unwrap_or_else(|| panic!("{name} is missing in {}", self.clients.display()))
    }

    pub(crate) fn at_home(&self, program: Program) -> Program {
        program.env("HOME", self.directory.join("home")).within(&self.directory)
    }

    /// The tree's programs call each other by their names.
    pub(crate) fn search_path(&self) -> String {
        let clients = self.clients.display();
        let own = std::env::var("PATH").unwrap_or_default();
        format!("{clients}/usr/bin:{clients}/usr/sbin:{own}")
    }

    pub(crate) fn reference(&self, rest: &str) -> String {
        format!("{}/local/{rest}", self.address)
    }

    /// The digest and the bytes of a manifest, as the registry itself gives them.
    pub(crate) fn manifest(&self, name: &str, reference: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let request = format!(
            "GET /v2/local/{name}/manifests/{reference} HTTP/1.1\r\nhost: localhost\r\n\
             connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let digest = head.lines().find_map(|line| line.strip_prefix("docker-content-digest: "));
        (digest.unwrap().to_owned(), answer[end + 4..].to_vec())
    }
}

/// A program that goes on; killed at the latest when its namespace ends.
pub(crate) struct Engine {
    child: Child,
    log: PathBuf,
}

impl Engine {
    pub(crate) fn start(stage: &Stage, name: &str, arguments: &[&str]) -> Self {
        let log = stage.directory.join(format!("{name}.log"));
        let file = fs::File::create(&log).unwrap();
        let child = Command::new(stage.path(name))
            .args(arguments)
            .current_dir(&stage.directory)
            .env("PATH", stage.search_path())
            .env("HOME", stage.directory.join("home"))
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// Until it answers.
    pub(crate) fn wait_until(&mut self, answers: impl Fn() -> bool) {
        let start = Instant::now();
        while !answers() {
            let ended = self.child.try_wait().unwrap();
            let is_late = start.elapsed() > Duration::from_secs(60);
            assert!(ended.is_none() && !is_late, "{ended:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}
