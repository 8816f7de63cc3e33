//! A registry in the internet: docker's own, behind TLS of an authority that only the operator's file
//! names, and behind a password that only the operator has.

pub mod image;
mod refusing;

use std::{
    fs::Permissions,
    net::Ipv4Addr,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use tokio::process::{Child, Command as Spawn};

use self::image::Layout;
pub use self::refusing::{
    ADDRESS as REFUSING_ADDRESS, NAME as REFUSING_NAME, RETRY_AFTER_SECONDS, Refusing,
};
use super::World;
use crate::{Namespace, Stage, host::USER, until};

/// Where it is, alone.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 100);
pub const PORT: u16 = 5443;
/// As references name it.
pub const NAME: &str = "registry.test:5443";
/// The same one, as it is named where no password is known for it.
pub const CLOSED_NAME: &str = "closed.test:5443";
/// Those that a base is there for.
pub const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];
const HOST: &str = "registry.test";
const CLOSED_HOST: &str = "closed.test";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
const ROBOT: &str = "robot";
const PASSWORD: &str = "s3cret-upstream";
/// Of that user and that password, as `htpasswd -B` writes it.
const HTPASSWD: &str = "robot:$2y$05$abcdefghijklmnopqrstuulFumMttPzUHr7TsnsrBw2XZ6OGzfasG\n";
const START: Duration = Duration::from_secs(30);

/// Killed with the story.
#[derive(Debug)]
pub struct Upstream {
    directory: PathBuf,
    namespace: Namespace,
    /// A tree in which Debian's packages for tests are unpacked.
    packages: PathBuf,
    child: Option<Child>,
}

impl Upstream {
    /// It is there when this returns, and empty.
    pub(super) async fn new(stage: &Stage, namespace: &Namespace) -> anyhow::Result<Self> {
        let clients = stage.settings().registry_clients.as_ref();
        let clients = clients.context("KILN_REGISTRY_CLIENTS is not set: run cargo xtask test")?;
        let directory = stage.directory().join("upstream");
        std::fs::create_dir(&directory)?;
        certify(&directory)?;
        let file = |name: &str, text: &str| std::fs::write(directory.join(name), text);
        file("htpasswd", HTPASSWD)?;
        file("password", PASSWORD)?;
        // Nobody's but the daemon's.
        let password = directory.join("password");
        std::fs::set_permissions(&password, Permissions::from_mode(0o600))?;
        chown(&password, Some(USER), None)?;
        file("config.yml", &configuration(&directory))?;
        file("registries.json", &registries(&directory))?;
        let namespace = namespace.clone();
        let mut upstream = Self { directory, namespace, packages: clients.clone(), child: None };
        upstream.start().await?;
        Ok(upstream)
    }

    /// What kilnd is told of it: `--registries FILE`.
    pub fn registries(&self) -> PathBuf {
        self.directory.join("registries.json")
    }

    pub async fn start(&mut self) -> anyhow::Result<()> {
        let [program, arguments @ ..] = self.namespace.entry();
        let log = std::fs::File::create(self.directory.join("log"))?;
        let child = Spawn::new(program)
            .args(arguments)
            .arg(self.packages.join("usr/bin/docker-registry"))
            .args(["serve", "config.yml"])
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("starting docker-registry")?;
        self.child = Some(child);
        until("a registry listens", START, async || {
            let dialled =
                self.namespace.within(|| std::net::TcpStream::connect((ADDRESS, PORT)))?;
            Ok(dialled.is_ok().then_some(()))
        })
        .await
    }

    pub async fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Puts it under `reference`, a repository and a tag, as its owner.
    pub fn publish(&self, layout: &Layout, reference: &str) -> anyhow::Result<()> {
        let from = format!("oci:{}", layout.directory().display());
        let to = format!("docker://{ADDRESS}:{PORT}/{reference}");
        let credentials = format!("--dest-creds={ROBOT}:{PASSWORD}");
        let options = [
            "copy",
            "--quiet",
            "--all",
            "--preserve-digests",
            "--dest-tls-verify=false",
            &credentials,
        ];
        let words = [&options[..], &[&from, &to]].concat();
        self.namespace.skopeo(&words).map(drop)
    }

    /// Copies all of `reference` into a directory, as its owner: its digest.
    pub fn pulled(&self, reference: &str, into: &Path) -> anyhow::Result<String> {
        let from = format!("docker://{ADDRESS}:{PORT}/{reference}");
        let credentials = format!("{ROBOT}:{PASSWORD}");
        let copy = ["copy", "--quiet", "--all", "--src-tls-verify=false", "--src-creds"];
        let to = format!("dir:{}", into.display());
        self.namespace.skopeo(&[&copy[..], &[&credentials, &from, &to]].concat())?;
        let inspect = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", "--creds"];
        let digest = self.namespace.skopeo(&[&inspect[..], &[&credentials, &from]].concat())?;
        Ok(digest.trim().to_owned())
    }

    /// Puts an image to build from under `reference`, for each of [`ARCHITECTURES`].
    pub fn publish_base(&self, reference: &str) -> anyhow::Result<Layout> {
        let mut busyboxes = Vec::new();
        for architecture in ARCHITECTURES {
            let busybox = self.packages.join("busybox").join(architecture).join("usr/bin/busybox");
            let busybox = std::fs::read(&busybox).with_context(|| busybox.display().to_string())?;
            busyboxes.push((architecture, busybox));
        }
        let layout = Layout::base(&self.directory.join("base"), &busyboxes)?;
        self.publish(&layout, reference)?;
        Ok(layout)
    }

    /// The requests it was sent, one a line: the method, the path, and whether a password was with it.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.directory.join("log"))?)
    }
}

impl World {
    /// A registry under the names [`NAME`] and [`CLOSED_NAME`], one a story.
    pub async fn upstream(&mut self, stage: &Stage) -> anyhow::Result<Upstream> {
        self.internet.answer_as(ADDRESS.into())?;
        for name in [HOST, CLOSED_HOST] {
            self.zone.say(name, [super::Data::Address(ADDRESS.into())]);
        }
        Upstream::new(stage, self.internet.namespace()).await
    }
}

fn configuration(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {directory}/data\n\
         http:\n  addr: {ADDRESS}:{PORT}\n  tls:\n    certificate: {directory}/{CERTIFICATE}\n    \
         key: {directory}/{KEY}\n\
         auth:\n  htpasswd:\n    realm: upstream\n    path: {directory}/htpasswd\n"
    )
}

fn registries(directory: &Path) -> String {
    let path = |name: &str| directory.join(name).display().to_string();
    let authority = path("authority.pem");
    let credential = serde_json::json!({
        "registry": NAME, "tenants": ["local"], "username": ROBOT,
        "password_file": path("password"),
    });
    let file = serde_json::json!({
        "registries": {
            NAME: { "ca": authority },
            CLOSED_NAME: { "ca": authority },
            REFUSING_NAME: { "ca": authority },
        },
        "credentials": [credential],
    });
    file.to_string()
}

/// An authority, and what it says of the registry.
fn certify(directory: &Path) -> anyhow::Result<()> {
    let new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];
    let authority = ["-days", "2", "-subj", "/CN=an authority of tests"];
    let into = ["-out", "authority.pem", "-keyout", "authority.key"];
    openssl(directory, &[&new[..], &authority, &into].concat())?;
    let names = [HOST, CLOSED_HOST, refusing::HOST].map(|name| format!("DNS:{name}"));
    let name = format!("subjectAltName={}", names.join(","));
    let own = ["-days", "2", "-subj", "/CN=a registry", "-CA", "authority.pem"];
    let signed = ["-CAkey", "authority.key", "-addext", "basicConstraints=critical,CA:FALSE"];
    let into = ["-addext", &name, "-out", CERTIFICATE, "-keyout", KEY];
    openssl(directory, &[&new[..], &own, &signed, &into].concat())
}

fn openssl(directory: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let mut openssl = Command::new("openssl");
    let openssl = openssl.args(arguments).current_dir(directory).stdin(Stdio::null());
    let output = openssl.output().context("running openssl")?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
