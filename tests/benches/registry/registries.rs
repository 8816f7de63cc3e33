//! The two registries that are compared.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context as _;
use kiln_tests::{Bench, Host, HostSetup, until};
use tokio::process::{Child, Command};

use super::place::Place;

const START_LIMIT: Duration = Duration::from_secs(30);
const PROGRAM: &str = "usr/bin/docker-registry";

/// docker's, of Debian, as its package configures it but for its directory and its noise.
pub(crate) struct Theirs {
    child: Child,
    pub(crate) place: Place,
}

impl Theirs {
    pub(crate) async fn start(bench: &Bench, name: &str) -> anyhow::Result<Self> {
        let directory = bench.stage.directory().join(name);
        fs::create_dir(&directory)?;
        let address = free_address(bench)?;
        let config = directory.join("config.yml");
        let words = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage:\n  cache: {{blobdescriptor: inmemory}}\n  delete: {{enabled: true}}\n  \
             filesystem: {{rootdirectory: {}}}\nhttp: {{addr: \"{address}\"}}\n",
            directory.display()
        );
        fs::write(&config, words)?;
        let entry = bench.stage.namespace().map(kiln_tests::Namespace::entry);
        let mut words: Vec<_> = entry.into_iter().flatten().map(PathBuf::from).collect();
        words.extend([program()?, "serve".into(), config]);
        let log = fs::File::create(directory.with_extension("log"))?;
        let child = Command::new(&words[0])
            .args(&words[1..])
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("starting docker's registry")?;
        let place = Place { address, repository: "bench".to_owned() };
        until("docker's registry answers", START_LIMIT, async || {
            Ok(within(bench, || TcpStream::connect(address))?.ok())
        })
        .await?;
        Ok(Self { child, place })
    }

    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// A daemon with stub guests.
pub(crate) fn ours<'a>(bench: &'a Bench, name: &'static str) -> HostSetup<'a> {
    let plenty = 64 << 10;
    let setup = bench.stage.stub_host().named(name).without_networks();
    setup.flag("--registry-quota", plenty).flag("--registry-size", plenty)
}

pub(crate) async fn place(host: &Host) -> anyhow::Result<Place> {
    let told = host.kiln(["image", "registry"]).run().await?;
    let address = told.stdout_text().trim().parse().with_context(|| told.to_string())?;
    Ok(Place { address, repository: "local/bench".to_owned() })
}

/// What clients do, where the registries are.
pub(crate) fn within<T: Send>(bench: &Bench, act: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
    match bench.stage.namespace() {
        Some(namespace) => namespace.within(act),
        None => Ok(act()),
    }
}

pub(crate) fn free_address(bench: &Bench) -> anyhow::Result<SocketAddr> {
    let listener = within(bench, || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))??;
    Ok(listener.local_addr()?)
}

fn program() -> anyhow::Result<PathBuf> {
    let clients = std::env::var_os("KILN_REGISTRY_CLIENTS");
    let clients = clients.context("KILN_REGISTRY_CLIENTS is not set: cargo xtask bench sets it")?;
    Ok(PathBuf::from(clients).join(PROGRAM))
}
