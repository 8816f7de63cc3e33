//! Debian's docker-registry as the registry outside: what is learned from our own ones holds for it.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use kiln_registry::{digest::Digest, mirror::Extent, record::Origin};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

use crate::{
    stage::{Asker, Plan, bytes, read},
    upstream::MANIFEST,
};

/// `tester` and `correct horse`.
const HTPASSWD: &str = "tester:$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n";
const AUTHORIZATION: &str = "Basic dGVzdGVyOmNvcnJlY3QgaG9yc2U=";

struct Registry {
    address: SocketAddr,
    child: Child,
    _directory: TempDir,
}

/// From the set-up.
fn program() -> PathBuf {
    let root = std::env::var_os("KILN_REGISTRY_CLIENTS").expect(
        "KILN_REGISTRY_CLIENTS is set by `cargo xtask test`, and says where docker-registry is",
    );
    let program = PathBuf::from(root).join("usr/bin/docker-registry");
    assert!(program.exists(), "{} is missing: `cargo xtask setup`", program.display());
    program
}

impl Registry {
    async fn start(program: PathBuf) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        fs::write(path("htpasswd"), HTPASSWD).unwrap();
        let config = serde_json::json!({
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": true}},
            "http": {"addr": address.to_string(), "secret": "s"},
            "storage": {"filesystem": {"rootdirectory": path("data")}},
            "auth": {"htpasswd": {"realm": "tests", "path": path("htpasswd")}},
        });
        fs::write(path("config.yml"), config.to_string()).unwrap();
        let child = Command::new(program)
            .arg("serve")
            .arg(path("config.yml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self { address, child, _directory: directory };
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).await.is_err() {
            assert!(Instant::now() < until, "docker-registry does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        registry
    }

    fn host(&self) -> kiln_registry::name::Host {
        self.address.to_string().parse().unwrap()
    }

    /// The head of the answer.
    async fn send(&self, method: &str, target: &str, media_type: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: {AUTHORIZATION}\r\n\
             Content-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn push(&self, name: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let begun = self.send("POST", &format!("/v2/{name}/blobs/uploads/"), "", b"").await;
        let location = begun.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap();
        let location = location.strip_prefix(&format!("http://{}", self.address)).unwrap();
        let target = format!("{location}&digest={digest}");
        let ended = self.send("PUT", &target, "application/octet-stream", bytes).await;
        assert!(ended.starts_with("HTTP/1.1 201"), "{ended}");
        digest
    }

    async fn push_image(&self, name: &str, tag: &str, layer: &[u8]) -> (Digest, Digest) {
        let config = self.push(name, b"{}").await;
        let digest = self.push(name, layer).await;
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": config.to_string(),
                "size": 2,
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest.to_string(),
                "size": layer.len(),
            }],
        });
        let manifest = manifest.to_string().into_bytes();
        let target = format!("/v2/{name}/manifests/{tag}");
        let put = self.send("PUT", &target, MANIFEST, &manifest).await;
        assert!(put.starts_with("HTTP/1.1 201"), "{put}");
        (Digest::of(&manifest), digest)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        #[expect(clippy::disallowed_methods, reason = "it was killed in the line above")]
        drop(self.child.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tenant_has_a_password_and_the_other_has_none() {
    let program = program();
    let mut registry = Registry::start(program).await;
    let layer = bytes(32 << 20, 1);
    let (manifest, digest) = registry.push_image("team/app", "v1", &layer).await;
    let host = registry.host();
    let mut plan = Plan::new()
        .says(host.as_str(), serde_json::json!({"http": true, "private": true}))
        .gives_at(&host, "alice", "tester", "correct horse")
        .gives_at(&host, "carol", "tester", "wrong horse");
    plan.limits.answer = Duration::from_secs(10);
    plan.limits.operation = Duration::from_secs(20);
    let stage = plan.stage();
    let alice = Asker::of("alice");

    let cold = stage.manifest_of(&alice, &host, "team/app", "v1").await.unwrap();
    assert_eq!((cold.digest, cold.origin), (manifest, Origin::Fetched));
    let blob = stage.blob_of(&alice, &host, "team/app", digest, Extent::Whole).await.unwrap();
    assert_eq!(blob.origin, Origin::Fetched);
    assert!(read(blob).await.unwrap() == layer);
    let warm = stage.manifest_of(&alice, &host, "team/app", "v1").await.unwrap();
    assert_eq!(warm.origin, Origin::Confirmed);

    for tenant in ["bob", "carol"] {
        let asker = Asker::of(tenant);
        let target = manifest.to_string();
        for target in ["v1", &target] {
            let problem = stage.manifest_of(&asker, &host, "team/app", target).await.unwrap_err();
            assert_eq!((problem.code.as_str(), problem.status), ("DENIED", 403), "{problem}");
        }
        let blob = stage.blob_of(&asker, &host, "team/app", digest, Extent::Whole).await;
        assert_eq!(blob.unwrap_err().code.as_str(), "DENIED");
        assert_eq!(asker.refusals().len(), 3);
    }
    let problem = stage.manifest_of(&alice, &host, "team/app", "v2").await.unwrap_err();
    assert_eq!(problem.code.as_str(), "MANIFEST_UNKNOWN");
    stage.manifest_of(&alice, &host, "team/app", "v1").await.unwrap();

    registry.child.kill().unwrap();
    let stale = stage.manifest_of(&alice, &host, "team/app", "v1").await.unwrap();
    assert_eq!((stale.digest, stale.origin), (manifest, Origin::Stale));
    for asker in [Asker::of("alice"), Asker::inside("alice")] {
        let blob = stage.blob_of(&asker, &host, "team/app", digest, Extent::Whole).await.unwrap();
        assert!(read(blob).await.unwrap() == layer);
    }
    for asker in [Asker::of("bob"), Asker::inside("bob")] {
        stage.blob_of(&asker, &host, "team/app", digest, Extent::Whole).await.unwrap_err();
    }
}
