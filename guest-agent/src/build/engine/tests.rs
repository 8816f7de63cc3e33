//! An engine that is a script: its API is answered by the test.

use std::{
    collections::HashMap, fs, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
};
use tonic::Code;

use super::*;
use crate::{
    build::StandInEngine, disk_watch::DiskWatch, disks::NoDisk, reaper::tests::REAPER,
    session::Sessions,
};

const HEALTHY: &str = "HTTP/1.0 200 OK\r\nServer: Docker/26.1.5+dfsg1 (linux)\r\n\r\nOK";

/// A machine with disks, which are files, and an engine.
pub(in crate::build) struct Machine {
    pub(in crate::build) directory: TempDir,
}

pub(in crate::build) struct Files(HashMap<String, PathBuf>);

impl Disks for Files {
    fn find(&self, serial: &str) -> Result<PathBuf, NoDisk> {
        let missing = || NoDisk::Missing { serial: serial.to_owned(), found: Vec::new() };
        self.0.get(serial).cloned().ok_or_else(missing)
    }
}

impl Machine {
    /// `daemon` and `client` are what the scripts do.
    pub(in crate::build) fn new(daemon: &str, client: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let machine = Self { directory };
        for (name, script) in
            [("dockerd", daemon), ("containerd", "exec sleep 600"), ("client", client)]
        {
            machine.program(name, script);
        }
        fs::write(machine.path("kiln-engine"), "").unwrap();
        machine
    }

    pub(in crate::build) fn program(&self, name: &str, script: &str) {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(in crate::build) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(in crate::build) fn layout(&self) -> Layout {
        Layout::from(StandInEngine {
            daemon: self.path("dockerd"),
            containerd: self.path("containerd"),
            client: self.path("client"),
            directory: self.directory.path().to_owned(),
        })
    }

    pub(in crate::build) fn disks(&self) -> Arc<dyn Disks> {
        let names = ["kiln-engine", "kiln-out-0", "kiln-out-1"];
        Arc::new(Files(names.into_iter().map(|name| (name.to_owned(), self.path(name))).collect()))
    }

    pub(in crate::build) fn exec() -> exec::Engine {
        let look = Box::new(|| rustix::fs::statfs("/proc"));
        let groups = Arc::new(Sessions::new().unwrap());
        exec::Engine::new(Arc::clone(&REAPER), groups, DiskWatch::start(look).unwrap())
    }

    /// Greets for containerd from now on, as often as it is asked to.
    fn greet(&self) {
        fs::create_dir_all(self.path("containerd.d")).unwrap();
        let listener = UnixListener::bind(self.path("containerd.d/containerd.sock")).unwrap();
        tokio::spawn(async move {
            // One that is not ready yet hangs up.
            drop(listener.accept().await.unwrap());
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
            }
        });
    }

    /// An engine that builds with containerd's store answers from now on, and its containerd.
    pub(in crate::build) fn answer(&self) {
        fs::create_dir_all(self.path("state/buildkit/containerd-overlayfs")).unwrap();
        self.answer_with(HEALTHY);
    }

    fn answer_with(&self, answer: &'static str) {
        self.greet();
        let listener = UnixListener::bind(self.path("engine.sock")).unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let length = stream.read(&mut request).await.unwrap();
                assert!(request[..length].starts_with(b"GET /_ping "));
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
    }

    async fn start(&self, engine: &Engine) -> Result<StartEngineResponse, Status> {
        let surroundings = (Some(Arc::new(self.layout())), self.disks(), Self::exec());
        let ready = engine.start(request(), surroundings).await?;
        Ok(ready.answer(Vec::new()))
    }
}

pub(in crate::build) fn request() -> StartEngineRequest {
    StartEngineRequest { disk: "kiln-engine".into(), memory_bytes: 0 }
}

#[tokio::test]
async fn an_engine_is_started_once_and_tells_what_it_took() {
    let machine = Machine::new("exit 1", "exit 1");
    let script = format!("echo $$ >>{}; exec sleep 600", machine.path("started").display());
    machine.program("dockerd", &script);
    machine.answer();
    let engine = Engine::default();
    assert!(engine.ready().await.is_none());
    let (one, two) = tokio::join!(machine.start(&engine), machine.start(&engine));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one, two);
    assert_eq!(one.engine_version, "26.1.5+dfsg1");
    let names: Vec<&str> = one.steps.iter().map(|step| &*step.name).collect();
    assert_eq!(names, ["asked", "mounted", "spawned", "containerd", "answers", "ready"]);
    assert!(one.steps.is_sorted_by_key(|step| step.monotonic_nanos));
    let started = loop {
        // The test answers before the script has done anything.
        match fs::read_to_string(machine.path("started")) {
            Ok(started) if started.ends_with('\n') => break started,
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    assert_eq!(started.lines().count(), 1);
    let settings = fs::read_to_string(machine.path("memory/engine.json")).unwrap();
    assert!(settings.contains("\"containerd-snapshotter\":true"), "{settings}");
    let socket = machine.path("containerd.d/containerd.sock").display().to_string();
    assert!(settings.contains(&format!("\"containerd\":\"{socket}\"")), "{settings}");
    let settings = fs::read_to_string(machine.path("containerd.d/config.toml")).unwrap();
    assert!(settings.contains(&format!("address = \"{socket}\"")), "{settings}");
    let other = StartEngineRequest { memory_bytes: 1, ..request() };
    let surroundings = (Some(Arc::new(machine.layout())), machine.disks(), Machine::exec());
    let refused = engine.start(other, surroundings).await.err().unwrap();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

async fn check(machine: &Machine, code: Code, expected: &str) {
    let engine = Engine::default();
    for _ in 0..2 {
        let refused = machine.start(&engine).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
        assert!(refused.message().contains(expected), "{refused:?}");
    }
}

#[tokio::test]
async fn an_engine_that_dies_has_last_words() {
    let words = "echo one >&2; echo 'failed to start: no room' >&2; exit 3";
    let machine = Machine::new(words, "exit 1");
    // It listens, and never answers.
    let _listener = UnixListener::bind(machine.path("engine.sock")).unwrap();
    check(
        &machine,
        Code::Internal,
        "the engine has ended with Code(3) before the engine was ready; it said: one | failed",
    )
    .await;
}

#[tokio::test]
async fn an_engine_that_hangs_up_because_it_ends_has_ended() {
    let machine = Machine::new("exit 1", "exit 1");
    let end = machine.path("end");
    let wait = format!("until test -e {}; do sleep 0.01; done", end.display());
    machine.program("dockerd", &format!("{wait}; echo 'no time' >&2; exit 5"));
    machine.greet();
    let listener = UnixListener::bind(machine.path("engine.sock")).unwrap();
    tokio::spawn(async move {
        drop(listener.accept().await.unwrap());
        fs::write(end, "").unwrap();
    });
    let expected =
        "the engine has ended with Code(5) before the engine was ready; it said: no time";
    check(&machine, Code::Internal, expected).await;
}

#[tokio::test]
async fn a_containerd_that_dies_has_last_words_and_takes_the_daemon_along() {
    let machine = Machine::new("exit 1", "exit 1");
    let pid = machine.path("pid");
    machine.program("dockerd", &format!("echo $$ >{}; exec sleep 600", pid.display()));
    let wait = format!("until test -s {}; do sleep 0.01; done", pid.display());
    machine.program("containerd", &format!("{wait}; echo 'no such root' >&2; exit 3"));
    let expected = "the engine's containerd has ended with Code(3) before the engine was ready; \
                    it said: no such root";
    check(&machine, Code::Internal, expected).await;
    let pid = fs::read_to_string(pid).unwrap();
    gone(pid.trim()).await;
}

#[tokio::test]
async fn an_engine_whose_containerd_ends_later_is_none() {
    let machine = Machine::new("exec sleep 600", "exit 1");
    let end = machine.path("end");
    let wait = format!("until test -e {}; do sleep 0.01; done", end.display());
    machine.program("containerd", &format!("{wait}; echo 'out of room' >&2; exit 4"));
    machine.answer();
    let engine = Engine::default();
    machine.start(&engine).await.unwrap();
    let ready = engine.ready().await.unwrap().ok().unwrap();
    assert_eq!(ready.end(), None);
    fs::write(end, "").unwrap();
    let limit = tokio::time::timeout(Duration::from_secs(20), ready.processes.ended());
    limit.await.expect("its end");
    let told = "the engine's containerd has ended with Code(4); it said: out of room";
    assert_eq!(ready.end().as_deref(), Some(told));
}

/// A process that is reaped is gone.
async fn gone(pid: &str) {
    let began = std::time::Instant::now();
    while PathBuf::from(format!("/proc/{pid}")).exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "{pid} is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_engine_without_containerds_store_is_none() {
    let machine = Machine::new("exec sleep 600", "exit 1");
    fs::create_dir_all(machine.path("state/buildkit/content")).unwrap();
    machine.answer_with(HEALTHY);
    check(&machine, Code::Internal, "not in containerd's store").await;
    let machine = Machine::new("exec sleep 600", "exit 1");
    machine.answer_with("HTTP/1.0 503 Starting\r\n\r\nnot yet");
    check(&machine, Code::Internal, "the engine answers with HTTP/1.0 503 Starting: not yet").await;
}

#[tokio::test]
async fn an_image_without_an_engine_says_so() {
    let machine = Machine::new("exit 0", "exit 0");
    fs::remove_file(machine.path("dockerd")).unwrap();
    check(&machine, Code::Unavailable, "it has no").await;
    let machine = Machine::new("exit 0", "exit 0");
    fs::remove_file(machine.path("containerd")).unwrap();
    check(&machine, Code::Unavailable, "containerd").await;
    let engine = Engine::default();
    let refused = engine.start(request(), (None, machine.disks(), Machine::exec())).await;
    assert_eq!(refused.err().unwrap().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_disk_that_is_not_there_is_named() {
    let machine = Machine::new("exit 0", "exit 0");
    let wanted = StartEngineRequest { disk: "none".into(), memory_bytes: 0 };
    let surroundings = (Some(Arc::new(machine.layout())), machine.disks(), Machine::exec());
    let refused = Engine::default().start(wanted, surroundings).await.err().unwrap();
    assert_eq!(refused.code(), Code::Internal);
    assert!(refused.message().contains("\"none\""), "{refused:?}");
}

#[tokio::test]
async fn who_goes_away_stops_nothing() {
    let machine = Machine::new("exec sleep 600", "exit 1");
    let engine = Engine::default();
    let asked = tokio::time::timeout(Duration::from_millis(50), machine.start(&engine)).await;
    assert!(asked.is_err(), "nobody answers yet");
    machine.answer();
    machine.start(&engine).await.unwrap();
}
