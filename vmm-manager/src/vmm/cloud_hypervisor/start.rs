//! From a spec to a machine that holds still before its guest's first instruction, or where an
//! earlier one was held.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use kiln_net::plan::GUEST_MAC;
use serde_json::{Value, json};

use super::{
    CloudHypervisor,
    api::{Api, ApiError},
    arguments::{API, EVENTS, arguments},
    asked,
    exit::{REBOOTING, exit},
    jail::jail,
    looks,
    machine::CloudHypervisorMachine,
    read_back,
    render::{VSOCK_SOCKET, render, url},
    snapshot,
};
use crate::vmm::{
    Disk, Machine as _, Network, VmSpec, VmmError, gateway,
    serial::SERIAL_BYTES,
    supervisor::{Descriptor, Program, Source, Stdout, SupervisedSpec, Supervision},
};

/// Which machines are ours to adopt.
pub(super) const DRIVER: &str = "cloud-hypervisor";
/// In the supervisor's records.
pub(super) const NAME: &str = "cloud-hypervisor";
pub(super) const API_SOCKET: &str = "api.sock";
/// The last of its events, each some hundred bytes.
const EVENTS_BYTES: usize = 8 * 1024;
/// Enough of its log for the reason of its end to be in it.
const STDERR_BYTES: usize = 16 * 1024;
/// Ten milliseconds on an idle host.
const START_LIMIT: Duration = Duration::from_secs(30);
/// To read a guest's whole memory back from a disk.
const RESTORE_LIMIT: Duration = Duration::from_secs(120);
/// For one that has closed its API to be gone.
const PARTING: Duration = Duration::from_secs(5);

/// When it fails, or is dropped half-way, what was started dies with its owner.
pub(super) async fn start(
    driver: &CloudHypervisor,
    spec: VmSpec,
) -> Result<CloudHypervisorMachine, VmmError> {
    let asked = render(&spec, driver.places);
    let supervision = supervised(driver, &spec, &[]).await?;
    let api = Api::new(spec.directory.join(API_SOCKET));
    let told = async {
        greet(&api, driver).await?;
        call(api.put("vm.create", Some(&asked), START_LIMIT).await, "vm.create")?;
        let info = call(api.get("vm.info", START_LIMIT).await, "vm.info")?;
        read_back::compare(&asked, &info, "Created")?;
        gateway::read_back(spec.network.as_ref(), &supervision)?;
        keep(&spec.directory, &asked)
    };
    if let Err(fault) = told.await {
        return Err(fault.explained(driver, &supervision).await);
    }
    let machine = CloudHypervisorMachine::new(supervision, api, asked, false);
    if let Some(network) = spec.network {
        // Of its own: what the VMM is told of a TAP in its configuration, it drops.
        let tap = network.tap.try_clone();
        let tap = tap.map_err(|source| VmmError::Io { what: "the TAP of the machine", source })?;
        let network = Network { id: gateway::DEVICE.to_owned(), mac: GUEST_MAC, tap };
        machine.add_network(network).await?;
    }
    Ok(machine)
}

/// As [`start`]: a machine that goes on where the snapshot in `from` was taken. Nothing of the
/// configuration there is believed: `spec` says all.
pub(super) async fn restore(
    driver: &CloudHypervisor,
    spec: VmSpec,
    from: &Path,
) -> Result<CloudHypervisorMachine, VmmError> {
    if spec.network.is_some() {
        return Err(VmmError::Unsupported { command: "restore with a network", vmm: DRIVER });
    }
    let mut asked = render(&spec, driver.places);
    let place = snapshot::prepare(&spec.directory, from, &mut asked)
        .map_err(|source| VmmError::Io { what: "the snapshot", source })?;
    let supervision = supervised(driver, &spec, &place.files).await?;
    let api = Api::new(spec.directory.join(API_SOCKET));
    let told = async {
        greet(&api, driver).await?;
        let restore = json!({
            "source_url": url(&place.directory),
            "prefault": false,
            "memory_restore_mode": "Copy",
            "resume": false,
        });
        call(api.put("vm.restore", Some(&restore), RESTORE_LIMIT).await, "vm.restore")?;
        let info = call(api.get("vm.info", START_LIMIT).await, "vm.info")?;
        read_back::compare(&asked, &info, "Paused")?;
        keep(&spec.directory, &asked)
    };
    match told.await {
        Ok(()) => Ok(CloudHypervisorMachine::new(supervision, api, asked, true)),
        Err(fault) => Err(fault.explained(driver, &supervision).await),
    }
}

/// Why a machine that was started is given up.
enum Fault {
    Known(VmmError),
    /// The VMM does not answer: its own words may be the reason.
    Silent,
}

impl From<VmmError> for Fault {
    fn from(error: VmmError) -> Self {
        Self::Known(error)
    }
}

impl Fault {
    async fn explained(self, driver: &CloudHypervisor, supervision: &Supervision) -> VmmError {
        let Self::Known(error) = self else {
            let ended = tokio::time::timeout(PARTING, supervision.wait()).await;
            let stderr = ended.map_or_else(|_| String::new(), |end| format!(": {}", exit(&end)));
            let program = driver.program.program().display().to_string();
            return VmmError::NotReady { program, what: "its API", limit: START_LIMIT, stderr };
        };
        error
    }
}

/// It must be the very release that was probed.
async fn greet(api: &Api, driver: &CloudHypervisor) -> Result<(), Fault> {
    let greeting = call(api.get("vmm.ping", START_LIMIT).await, "vmm.ping")?;
    let version = greeting["build_version"].as_str().unwrap_or_default().trim_start_matches('v');
    if version == driver.identity.version {
        return Ok(());
    }
    let (asked, actual) = (driver.identity.version.clone(), version.to_owned());
    Err(VmmError::ReadBack { field: "version".to_owned(), asked, actual }.into())
}

fn call(answer: Result<Value, ApiError>, command: &'static str) -> Result<Value, Fault> {
    answer.map_err(|error| match error {
        ApiError::Refused { reason } => VmmError::Refused { command, reason }.into(),
        ApiError::Garbled { what } => {
            let reason = format!("its answer is not understood: {what}");
            VmmError::Refused { command, reason }.into()
        }
        ApiError::Timeout(limit) => VmmError::Timeout { command, limit }.into(),
        ApiError::Closed(error) => {
            tracing::debug!(%error, command, "the API of cloud-hypervisor");
            Fault::Silent
        }
    })
}

fn keep(directory: &Path, asked: &Value) -> Result<(), Fault> {
    asked::write(directory, asked)
        .map_err(|source| VmmError::Io { what: "the machine's record", source }.into())
}

async fn supervised(
    driver: &CloudHypervisor,
    spec: &VmSpec,
    files: &[PathBuf],
) -> Result<Supervision, VmmError> {
    check(spec)?;
    let jail = jail(driver, spec, files)
        .map_err(|source| VmmError::Io { what: "a disk of the machine", source })?;
    let descriptor = |number, source| Descriptor { number, source };
    let events = Source::Heard {
        say: String::new(),
        keep_bytes: EVENTS_BYTES,
        ends: vec![REBOOTING.to_owned()],
    };
    let vmm = Program {
        name: NAME.to_owned(),
        path: driver.program.program().to_owned(),
        arguments: arguments(),
        stdout: Stdout::Serial { bytes: SERIAL_BYTES },
        stderr_bytes: STDERR_BYTES,
        descriptors: vec![
            descriptor(API, Source::Listen { socket: API_SOCKET.to_owned() }),
            descriptor(EVENTS, events),
        ],
        network: false,
        parting_millis: 0,
        jail: Some(jail),
    };
    let supervised = SupervisedSpec {
        instance: spec.instance.clone(),
        name: spec.name.clone(),
        driver: DRIVER,
        directory: spec.directory.clone(),
        programs: spec.network.as_ref().map(gateway::program).into_iter().chain([vmm]).collect(),
        main: NAME,
        sockets: vec![VSOCK_SOCKET.to_owned()],
        cgroup: spec.cgroup.clone(),
    };
    Supervision::create(&driver.config.shim, supervised).await
}

/// What Cloud Hypervisor would find out at boot alone.
fn check(spec: &VmSpec) -> Result<(), VmmError> {
    for (what, path) in [("the kernel", &spec.kernel), ("the initramfs", &spec.initramfs)] {
        let failed = |source| VmmError::Io { what, source };
        if !fs::metadata(path).map_err(failed)?.is_file() {
            return Err(failed(io::Error::other(format!("{} is no file", path.display()))));
        }
    }
    spec.disks.iter().try_for_each(check_disk)
}

pub(super) fn check_disk(disk: &Disk) -> Result<(), VmmError> {
    let like = looks::like(&disk.path);
    match like.map_err(|source| VmmError::Io { what: "a disk of the machine", source })? {
        None => Ok(()),
        Some(what) => {
            Err(VmmError::Disk { serial: disk.serial.clone().into_owned(), what, vmm: DRIVER })
        }
    }
}
