//! What the tests share: a place for machines, and null guests to run in them.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use kiln_jail::JailUser;
use kiln_shim::ProcessIdentity;
use kiln_vmm_manager::vmm::{
    CloudHypervisor, CloudHypervisorConfig, Disk, Machine, ShimConfig, VmSpec, Vmm as _,
    null_guest::{self, Errand},
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

pub(crate) const INSTANCE: &str = "0badcafe";
/// Far more than anything takes: only a hang meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The first of the users that are a machine's alone.
const FIRST_USER: u32 = 1_900_001_000;
const PROGRAM: &str = "cloud-hypervisor";

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) driver: CloudHypervisor,
    directory: TempDir,
    machines: AtomicU32,
}

/// What these tests need and this host does not have.
pub(crate) fn missing() -> Option<String> {
    if program().is_none() {
        return Some(format!("{PROGRAM} is not on PATH"));
    }
    match OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        Ok(_) => None,
        Err(error) => Some(format!("/dev/kvm cannot be opened: {error}")),
    }
}

/// Why this host's KVM cannot be asked for a machine's state, where it cannot.
pub(crate) async fn stateless() -> Option<String> {
    let stage = Stage::new().await;
    let machine = stage.booted(Errand::Halt).await;
    machine.pause().await.unwrap();
    let kept = stage.path("kept");
    fs::create_dir(&kept).unwrap();
    let error = machine.snapshot(&kept).await.err()?.to_string();
    machine.kill().await;
    let cause = "Could not get vCPU state";
    error.contains(cause).then(|| format!("/dev/kvm does not tell a processor's state: {error}"))
}

pub(crate) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(PROGRAM))
        .find(|file| file.is_file())
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with("kiln-shim").await
    }

    /// Whose supervisors are started by that name.
    pub(crate) async fn with(shim: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["kiln-shim", crate::fault::HELD] {
            symlink(std::env::current_exe().unwrap(), directory.path().join(name)).unwrap();
        }
        let program = directory.path().join(shim);
        fs::write(directory.path().join("null"), null_guest::image()).unwrap();
        fs::write(directory.path().join("initramfs"), [0; 512]).unwrap();
        let config = CloudHypervisorConfig {
            cloud_hypervisor: self::program().unwrap(),
            shim: ShimConfig { program },
        };
        let driver = CloudHypervisor::probe(config).await.unwrap().with_places();
        Self { driver, directory, machines: AtomicU32::new(0) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A machine with a directory of its own.
    pub(crate) fn spec(&self, errand: Errand) -> VmSpec {
        let number = self.machines.fetch_add(1, Ordering::Relaxed);
        let directory = self.path(&format!("vm{number}"));
        fs::create_dir(&directory).unwrap();
        let disk = |serial: &'static str, read_only| {
            let path = directory.join(format!("{serial}.img"));
            File::create(&path).unwrap().set_len(1 << 20).unwrap();
            Disk { serial: serial.into(), path, read_only }
        };
        VmSpec {
            name: format!("job{number}"),
            instance: INSTANCE.to_owned(),
            cid: 3 + number,
            user: user(),
            cgroup: None,
            cpus: 1,
            memory_bytes: 64 << 20,
            kernel: self.path("null"),
            initramfs: self.path("initramfs"),
            command_line: errand.word().to_owned(),
            disks: vec![disk("kiln-root", true), disk("kiln-scratch", false)],
            network: None,
            directory,
        }
    }

    pub(crate) async fn create(&self, errand: Errand) -> Box<dyn Machine> {
        within(self.driver.create(self.spec(errand))).await.unwrap()
    }

    pub(crate) async fn booted(&self, errand: Errand) -> Box<dyn Machine> {
        let machine = self.create(errand).await;
        within(machine.boot()).await.unwrap();
        greeted(machine.as_ref()).await;
        machine
    }
}

/// One that no other machine of this process has; nobody's, where this process isn't root.
fn user() -> Option<JailUser> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let id = FIRST_USER + std::process::id() % 1000 * 1000 + NEXT.fetch_add(1, Ordering::Relaxed);
    rustix::process::geteuid().is_root().then_some(JailUser { id, keeper: 0 })
}

/// Resolves when the guest has said what each null guest says.
pub(crate) async fn greeted(machine: &dyn Machine) {
    until(async || machine.serial().await.text().starts_with(null_guest::GREETING)).await;
}

/// Everybody of a machine in `directory`, the supervisor first.
pub(crate) fn everybody(directory: &Path) -> Vec<ProcessIdentity> {
    let record = kiln_shim::ShimRecord::read(directory).unwrap();
    let children = record.children.iter().map(|child| child.process);
    [record.process].into_iter().chain(children).collect()
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
    until(async || processes.iter().all(|process| !runs(*process))).await;
}

pub(crate) async fn until(mut ask: impl AsyncFnMut() -> bool) {
    within(async {
        while !ask().await {
            sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("waited in vain")
}
