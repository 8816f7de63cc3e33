//! One supervisor, started as kilnd does it.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use kiln_shim::{
    COMMITTED, Child, Descriptor, ExitRecord, MAJOR, Order, ProcessIdentity, Program, Report,
    ShimRecord, Source, StartFailure, Stdout, line,
};
use tempfile::TempDir;

pub(crate) const INSTANCE: &str = "0badcafe";
/// Far more than anything takes: only a hang meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Ended with all its children when it is dropped.
pub(crate) struct Shim {
    pub(crate) process: ProcessIdentity,
    pub(crate) children: Vec<Child>,
    /// The starter's hold.
    pub(crate) leash: Option<ChildStdin>,
    directory: TempDir,
}

pub(crate) fn shell(name: &str, script: &str) -> Program {
    Program {
        name: name.to_owned(),
        path: "/bin/sh".into(),
        arguments: ["-c", script].map(str::to_owned).to_vec(),
        stdout: Stdout::Null,
        stderr_bytes: 1024,
        descriptors: Vec::new(),
        network: false,
        parting_millis: 0,
        jail: None,
    }
}

pub(crate) fn console(name: &str, script: &str) -> Program {
    Program { stdout: Stdout::Serial { bytes: 64 * 1024 }, ..shell(name, script) }
}

/// The first program is the main one.
pub(crate) fn order(directory: &Path, programs: Vec<Program>) -> Order {
    Order {
        major: MAJOR,
        instance: INSTANCE.to_owned(),
        name: "job".to_owned(),
        driver: "shell".to_owned(),
        directory: directory.to_owned(),
        main: programs[0].name.clone(),
        programs,
        cgroups: Vec::new(),
        oom_file: None,
        memory_limit_bytes: None,
        sockets: Vec::new(),
        start_limit_millis: 10_000,
        linger_millis: 20_000,
    }
}

/// What a supervisor says of an order, and the hold on it.
#[expect(clippy::zombie_processes, reason = "it is reaped by its number")]
pub(crate) fn launch(order: &[u8]) -> (Report, ChildStdin) {
    let mut launcher = Command::new(env!("CARGO_BIN_EXE_kiln-shim"))
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut leash = launcher.stdin.take().unwrap();
    leash.write_all(order).unwrap();
    let mut said = String::new();
    launcher.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    reap(launcher.id());
    (serde_json::from_str(&said).unwrap(), leash)
}

pub(crate) fn reap(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    let options = rustix::process::WaitIdOptions::EXITED;
    rustix::process::waitid(rustix::process::WaitId::Pid(pid), options).unwrap();
}

impl Shim {
    pub(crate) fn of(programs: Vec<Program>) -> Self {
        Self::with(programs, |_| {})
    }

    pub(crate) fn with(programs: Vec<Program>, change: impl FnOnce(&mut Order)) -> Self {
        let mut shim = Self::leashed(programs, change).unwrap();
        shim.leash.take().unwrap().write_all(COMMITTED).unwrap();
        shim
    }

    /// Not yet let go of.
    pub(crate) fn leashed(
        programs: Vec<Program>,
        change: impl FnOnce(&mut Order),
    ) -> Result<Self, StartFailure> {
        let directory = tempfile::tempdir().unwrap();
        let mut order = order(directory.path(), programs);
        change(&mut order);
        match launch(&line(&order)) {
            (Report::Ready { process, children }, leash) => {
                Ok(Self { process, children, leash: Some(leash), directory })
            }
            (Report::Failed(failure), _) => Err(failure),
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    pub(crate) fn record(&self) -> ShimRecord {
        ShimRecord::read(self.directory()).unwrap()
    }

    /// What it wrote down of the machine's end, once it has.
    pub(crate) fn exit(&self) -> ExitRecord {
        until(|| ExitRecord::read(self.directory()).ok())
    }

    pub(crate) fn pid(&self, name: &str) -> u32 {
        let child = self.children.iter().find(|child| child.name == name).unwrap();
        child.process.pid
    }

    /// Waits until it and all its children run no more.
    pub(crate) fn gone(&self) {
        until(|| (!runs(self.process.pid)).then_some(()));
        for child in &self.children {
            until(|| (!runs(child.process.pid)).then_some(()));
        }
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        if let Ok(Some(pidfd)) = self.process.prove() {
            let _gone = rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::TERM);
            self.gone();
        }
    }
}

/// Alive: neither gone nor waiting to be reaped by whoever adopts orphans.
pub(crate) fn runs(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

pub(crate) fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

pub(crate) fn descriptor(number: i32, source: Source) -> Descriptor {
    Descriptor { number, source }
}
