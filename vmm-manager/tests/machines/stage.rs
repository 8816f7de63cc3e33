//! What the tests share: a directory for one machine, and a supervisor's program.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use kiln_shim::ProcessIdentity;
use kiln_vmm_manager::{
    host::cgroup::Cgroup,
    vmm::{
        ShimConfig,
        supervisor::{Program, Stdout, SupervisedSpec, Supervision},
    },
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

pub(crate) const INSTANCE: &str = "0badcafe";
pub(crate) const DRIVER: &str = "shell";
/// Far more than anything takes: only a hang meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) shim: ShimConfig,
    instance: &'static str,
    directory: TempDir,
}

pub(crate) fn shell(name: &str, script: &str) -> Program {
    Program {
        name: name.to_owned(),
        path: "/bin/sh".into(),
        arguments: ["-c", script].map(str::to_owned).to_vec(),
        stdout: if name == "vmm" { Stdout::Serial { bytes: 65536 } } else { Stdout::Null },
        stderr_bytes: 1024,
        descriptors: Vec::new(),
        network: false,
        parting_millis: 0,
        jail: None,
    }
}

/// A machine that would live for ever.
pub(crate) fn sleepers() -> Vec<Program> {
    vec![shell("bridge", "exec sleep 1000"), shell("vmm", "exec sleep 1000")]
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::of(INSTANCE)
    }

    /// Of the home that is called so.
    pub(crate) fn of(instance: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("kiln-shim");
        symlink(std::env::current_exe().unwrap(), &program).unwrap();
        fs::create_dir(directory.path().join("vm")).unwrap();
        Self { shim: ShimConfig { program }, instance, directory }
    }

    /// The machine's.
    pub(crate) fn directory(&self) -> PathBuf {
        self.directory.path().join("vm")
    }

    pub(crate) fn spec(&self, programs: Vec<Program>, cgroup: Option<Cgroup>) -> SupervisedSpec {
        SupervisedSpec {
            instance: self.instance.to_owned(),
            name: "job".to_owned(),
            driver: DRIVER,
            directory: self.directory(),
            programs,
            main: "vmm",
            sockets: vec!["vsock.sock".to_owned()],
            cgroup,
        }
    }

    pub(crate) async fn create(&self, programs: Vec<Program>) -> Supervision {
        Supervision::create(&self.shim, self.spec(programs, None)).await.unwrap()
    }
}

/// Everybody of a machine, the supervisor first.
pub(crate) fn everybody(supervision: &Supervision) -> Vec<ProcessIdentity> {
    let supervisor = ProcessIdentity::of(supervision.supervisor_pid()).unwrap();
    let children = supervision.children().iter().map(|child| child.process);
    [supervisor].into_iter().chain(children).collect()
}

/// Alive: neither gone nor waiting to be reaped by whoever adopts orphans.
pub(crate) fn runs(process: ProcessIdentity) -> bool {
    if ProcessIdentity::of(process.pid).ok() != Some(process) {
        return false;
    }
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

pub(crate) async fn gone(processes: &[ProcessIdentity]) {
    until(|| processes.iter().all(|process| !runs(*process)).then_some(())).await;
}

pub(crate) async fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let answer = async {
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            sleep(Duration::from_millis(2)).await;
        }
    };
    within(answer).await
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("waited in vain")
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// Whether a name is there, wherever it leads.
pub(crate) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
