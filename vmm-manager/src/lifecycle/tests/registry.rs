//! The registry of a guest: known by its machine's socket, and on record whatever dies.

use std::path::{Path, PathBuf};

use kiln_net::control::{Ask, Opening, SOCKET};
use kiln_registry::{digest::Digest, record::Origin, registries::Registries};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

use super::{
    AgentWork, Arc, Bench, Duration, FailureClass, Fault, JobHandle, Ordering, Outcome, PATIENCE,
    Script, Shared, TempDir, Turn, bench_with, finish, job, nothing_left,
    restart::{adopted, paced, restarted},
    timeout,
};
use crate::{
    config::RegistryConfig,
    network::fake::{FakeKernel, networks},
    registry::{Refused, RegistryRecord, Service, ServiceParts},
    store::CancelReason,
    vmm::VmExit,
};

struct Registered {
    bench: Bench,
    _directory: TempDir,
}

/// That holds little, and asks nobody.
pub(super) async fn service(directory: &Path) -> Arc<Service> {
    let config = RegistryConfig {
        registries: Registries::default(),
        registries_file: None,
        mirrors: Vec::new(),
        offline: true,
        listen: None,
        quota_bytes: Some(1 << 20),
        mirrored_bytes: Some(1 << 20),
        rights_age: Duration::from_secs(60),
    };
    let parts = ServiceParts {
        directory: directory.to_owned(),
        config: &config,
        network: None,
        address: None,
    };
    Arc::new(Service::open(parts).await.unwrap())
}

async fn registered(script: Script) -> Registered {
    let directory = tempfile::tempdir().unwrap();
    let service = service(directory.path()).await;
    let networks = networks(&Arc::new(FakeKernel::default())).await;
    let shared = Shared { networks: Some(networks), registry: Some(service) };
    Registered { bench: bench_with(Fault::None, script, shared), _directory: directory }
}

/// The gateway of a job's machine.
struct Gateway {
    listener: UnixListener,
    daemon: BufReader<UnixStream>,
}

impl Gateway {
    /// Once kilnd has come to it.
    async fn of(bench: &Bench, job: &JobHandle) -> Self {
        let directory = bench.host.home.vm_directory(job.id());
        let met = async {
            let path = directory.join(SOCKET);
            while !directory.exists() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Self::at(path).await
        };
        timeout(PATIENCE, met).await.unwrap()
    }

    async fn at(path: PathBuf) -> Self {
        let _of_an_earlier_one = std::fs::remove_file(&path);
        let listener = UnixListener::bind(path).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (opening, daemon) = opened(stream).await;
            // What it has in mind is nothing.
            if opening == (Opening::Hello {}) {
                return Self { listener, daemon };
            }
        }
    }

    /// One connection of its guest's, to its end: the answer's head.
    async fn said(&mut self, request: &str) -> String {
        let mut line = serde_json::to_vec(&Ask::Registry { id: 1 }).unwrap();
        line.push(b'\n');
        self.daemon.get_mut().write_all(&line).await.unwrap();
        let said = async {
            loop {
                let (stream, _) = self.listener.accept().await.unwrap();
                let (opening, mut stream) = opened(stream).await;
                if opening != (Opening::Stream { id: 1 }) {
                    continue;
                }
                stream.get_mut().write_all(request.as_bytes()).await.unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.unwrap();
                return String::from_utf8(answer).unwrap();
            }
        };
        timeout(PATIENCE, said).await.unwrap()
    }

    async fn get(&mut self, target: &str) -> String {
        let head = "Host: registry.kiln:5000\r\nConnection: close";
        self.said(&format!("GET {target} HTTP/1.1\r\n{head}\r\n\r\n")).await
    }

    async fn push_blob(&mut self, content: &str) -> Digest {
        let digest = Digest::of(content.as_bytes());
        let head = format!(
            "Host: registry.kiln:5000\r\nConnection: close\r\nContent-Length: {}",
            content.len()
        );
        let target = format!("/v2/local/app/blobs/uploads/?digest={digest}");
        let answer = self.said(&format!("POST {target} HTTP/1.1\r\n{head}\r\n\r\n{content}")).await;
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        digest
    }
}

async fn opened(stream: UnixStream) -> (Opening, BufReader<UnixStream>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    (serde_json::from_str(&line).unwrap(), stream)
}

fn refused(record: &RegistryRecord) -> Vec<String> {
    let name = |one: &Refused| {
        let host = one.registry.as_ref().map(|host| format!("{host}/")).unwrap_or_default();
        format!("{host}{}:{}", one.repository, one.target)
    };
    record.refusals.iter().map(name).collect()
}

/// While the job hangs: `work`, and then its end.
fn beside<T: Send + 'static>(
    job: &Arc<JobHandle>,
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    let job = Arc::clone(job);
    tokio::spawn(async move {
        let done = work.await;
        job.cancel(CancelReason::Asked);
        done
    })
}

fn hanging() -> Script {
    Script { work: AgentWork::Hangs, ..Script::exits(0) }
}

#[tokio::test]
async fn what_a_guest_was_served_and_refused_is_on_record() {
    let Registered { bench, _directory } = registered(hanging()).await;
    let bench = Arc::new(bench);
    let job = job(&bench, |_| {}).await;
    let guest = beside(&job, {
        let (bench, job) = (Arc::clone(&bench), Arc::clone(&job));
        async move {
            let mut gateway = Gateway::of(&bench, &job).await;
            let digest = gateway.push_blob("layer").await;
            for _ in 0..2 {
                let answer = gateway.get(&format!("/v2/local/app/blobs/{digest}")).await;
                assert!(answer.ends_with("\r\n\r\nlayer"), "{answer}");
            }
            let answer = gateway.get("/v2/local/app/manifests/1").await;
            assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
            // Its policy is `none`, whatever it says of itself.
            let answer = gateway.get("/v2/library/debian/manifests/12?ns=docker.io").await;
            assert!(answer.starts_with("HTTP/1.1 40"), "{answer}");
            // Told while it runs.
            let told = async {
                loop {
                    if let Some(record) = job.look().await.registry {
                        break record;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            (digest, timeout(PATIENCE, told).await.unwrap())
        }
    });
    finish(&bench, Arc::clone(&job)).await;
    let (digest, told) = guest.await.unwrap();
    let record = job.snapshot().registry.unwrap();
    let [served] = &record.materials[..] else { panic!("{record:?}") };
    assert_eq!((served.digest, served.times, served.origin), (digest, 2, Origin::Local));
    assert_eq!(refused(&record), ["local/app:1", "docker.io/library/debian:12"]);
    assert_eq!((&told.materials, &told.refusals), (&record.materials, &record.refusals));
    assert_eq!(record.incomplete, None);
}

#[tokio::test]
async fn a_guest_without_a_wish_has_an_empty_record() {
    let Registered { bench, _directory } = registered(Script::exits(0)).await;
    let job = job(&bench, |_| {}).await;
    assert_eq!(finish(&bench, Arc::clone(&job)).await, Outcome::Completed);
    assert_eq!(*job.snapshot().registry.unwrap(), RegistryRecord::default());
}

#[tokio::test]
async fn the_next_daemon_serves_on_and_says_that_it_came_later() {
    let script = paced(50_000);
    let Registered { bench, _directory } = registered(script.clone()).await;
    let bench = Arc::new(bench);
    let job = job(&bench, |_| {}).await;
    let before = tokio::spawn({
        let (bench, job) = (Arc::clone(&bench), Arc::clone(&job));
        async move {
            let mut gateway = Gateway::of(&bench, &job).await;
            let digest = gateway.push_blob("layer").await;
            gateway.get(&format!("/v2/local/app/blobs/{digest}")).await;
            let log = bench.host.home.vm_directory(job.id()).join("registry.log");
            while !log.exists() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            digest
        }
    });
    let running = tokio::spawn(super::run(Arc::clone(&bench.host), Arc::clone(&job)));
    let digest = timeout(PATIENCE, before).await.unwrap().unwrap();
    bench.rack.daemon_died.store(true, Ordering::SeqCst);
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    let bench = Arc::into_inner(bench).unwrap();
    let (bench, job) = super::restart::again(bench, job, &script).await;
    let after = tokio::spawn({
        let path = bench.host.home.vm_directory(job.id()).join(SOCKET);
        async move {
            let mut gateway = Gateway::at(path).await;
            gateway.get(&format!("/v2/local/app/blobs/{digest}")).await
        }
    });
    assert_eq!(adopted(&bench, &job).await, Turn::Over);
    after.abort();
    assert_eq!(nothing_left(&bench, &job).await, Outcome::Completed);
    let record = job.snapshot().registry.unwrap();
    assert_eq!(record.materials[0].digest, digest);
    assert!(record.incomplete.as_deref().unwrap().contains("restarted"));
}

#[tokio::test]
async fn what_a_lost_machine_was_served_is_on_record() {
    let script = paced(50_000);
    let Registered { bench, _directory } = registered(script.clone()).await;
    let job = job(&bench, |_| {}).await;
    let (bench, job) = restarted(bench, job, &script, |job| job.log.end_offset > 0).await;
    let left = r#"{"over":{"materials":3,"refusals":0}}"#;
    let directory = bench.host.home.vm_directory(job.id());
    std::fs::write(directory.join("registry.log"), format!("{left}\n")).unwrap();
    bench.rack.end_all(&VmExit::SupervisorLost);
    assert_eq!(adopted(&bench, &job).await, Turn::Over);
    nothing_left(&bench, &job).await;
    let record = job.snapshot().registry.unwrap();
    assert_eq!(record.more_materials, 3);
    assert!(record.incomplete.is_some());
}

#[tokio::test]
async fn a_failure_that_the_registry_explains_is_told_as_that() {
    let script = paced(50_000);
    let said = b"\nERROR: failed to solve: docker.io/library/debian:12: 403 Denied by kiln";
    let output = [&script.output[..], said].concat().into();
    let script = Script { output, code: 1, ..script };
    let Registered { bench, _directory } = registered(script).await;
    let bench = Arc::new(bench);
    let job = job(&bench, |_| {}).await;
    let guest = tokio::spawn({
        let (bench, job) = (Arc::clone(&bench), Arc::clone(&job));
        async move {
            let mut gateway = Gateway::of(&bench, &job).await;
            gateway.get("/v2/library/debian/manifests/12?ns=docker.io").await
        }
    });
    let outcome = finish(&bench, Arc::clone(&job)).await;
    guest.await.unwrap();
    let Outcome::Failed { failure, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.class, FailureClass::Registry, "{failure:?}");
    assert_eq!(failure.details["host"], "docker.io");
    assert_eq!(failure.details["repository"], "library/debian");
}
