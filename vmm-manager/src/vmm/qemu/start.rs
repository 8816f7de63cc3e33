//! From a spec to a machine that holds still before its guest's first instruction.

use std::{io, path::Path, time::Duration};

use serde_json::Value;
use tokio::net::UnixStream;

use super::{
    Qemu,
    arguments::{LAST_WORDS, MONITOR, TAP, VSOCK, render},
    bridge,
    exit::exit,
    jail,
    machine::QemuMachine,
    monitor::{Monitor, MonitorError},
    read_back::{Asked, Processes, ReadBackError, read_back},
};
use crate::vmm::{
    VmSpec, VmmError, gateway,
    serial::SERIAL_BYTES,
    supervisor::{Descriptor, Program, Source, Stdout, SupervisedSpec, Supervision},
};

/// Which machines are ours to adopt.
pub(super) const DRIVER: &str = "qemu";
/// In the supervisor's records.
pub(super) const NAME: &str = "qemu";
const MONITOR_SOCKET: &str = "qmp.sock";
/// What makes QEMU tell its events.
const NEGOTIATE: &str = "{\"execute\":\"qmp_capabilities\"}\n";
/// The last of its events, each some hundred bytes.
const LAST_WORDS_BYTES: usize = 8 * 1024;
const STDERR_BYTES: usize = 8 * 1024;
/// A tenth of a second on an idle host.
const START_LIMIT: Duration = Duration::from_secs(60);
/// For a QEMU that has closed its monitor to be gone.
const PARTING: Duration = Duration::from_secs(5);

/// When it fails, or is dropped half-way, what was started dies with its owner.
pub(super) async fn start(driver: &Qemu, spec: VmSpec) -> Result<QemuMachine, VmmError> {
    let config = &driver.config;
    let shown = driver.program.program().display().to_string();
    let accelerator = config.accelerator;
    let arguments = render(&spec, accelerator, &driver.firmware, &driver.network);
    let supervised = supervised(driver, &spec, arguments.clone())
        .map_err(|source| VmmError::Io { what: "a disk of the machine", source })?;
    let supervision = Supervision::create(&config.shim, supervised).await?;
    let reported = async {
        let monitor = connect(&spec.directory).await?;
        negotiate(&monitor).await?;
        let (firmware, network) = (&driver.firmware, &driver.network);
        let asked = Asked { spec: &spec, accelerator, firmware, network };
        read_back(&monitor, asked, START_LIMIT).await?;
        Ok::<_, ReadBackError>(monitor)
    };
    match reported.await {
        Ok(monitor) => {
            // One that has ended meanwhile has no number any more, and nothing to compare.
            if let (Some(qemu), Some(bridge)) =
                (supervision.pid(NAME), supervision.pid(bridge::NAME))
            {
                Processes { qemu, bridge, arguments: &arguments }.read_back()?;
            }
            gateway::read_back(spec.network.as_ref(), &supervision)?;
            Ok(QemuMachine::new(supervision, monitor, false))
        }
        Err(ReadBackError::Differs(differs)) => Err(differs),
        Err(ReadBackError::Monitor(MonitorError::Refused { reason })) => {
            Err(VmmError::Refused { command: "the read-back", reason })
        }
        Err(ReadBackError::Monitor(MonitorError::Closed | MonitorError::Timeout(_))) => {
            Err(not_ready(shown, &supervision).await)
        }
    }
}

fn supervised(driver: &Qemu, spec: &VmSpec, arguments: Vec<String>) -> io::Result<SupervisedSpec> {
    let descriptor = |number, source| Descriptor { number, source };
    let vsock = Source::Connect { socket: bridge::VHOST_SOCKET.to_owned() };
    let monitor = Source::Listen { socket: MONITOR_SOCKET.to_owned() };
    let words =
        Source::Heard { say: NEGOTIATE.to_owned(), keep_bytes: LAST_WORDS_BYTES, ends: Vec::new() };
    let network = spec.network.as_ref();
    let tap = network.map(|_| descriptor(TAP, gateway::given_as(gateway::TAP)));
    let qemu = Program {
        name: NAME.to_owned(),
        path: driver.program.program().to_owned(),
        arguments,
        stdout: Stdout::Serial { bytes: SERIAL_BYTES },
        stderr_bytes: STDERR_BYTES,
        descriptors: [
            descriptor(VSOCK, vsock),
            descriptor(MONITOR, monitor),
            descriptor(LAST_WORDS, words),
        ]
        .into_iter()
        .chain(tap)
        .collect(),
        network: false,
        parting_millis: 0,
        jail: Some(jail::qemu(driver, spec)?),
    };
    let path = driver.bridge.program();
    let bridge = bridge::program(path, spec.cid, STDERR_BYTES, jail::bridge(driver, spec));
    Ok(SupervisedSpec {
        instance: spec.instance.clone(),
        name: spec.name.clone(),
        driver: DRIVER,
        directory: spec.directory.clone(),
        programs: network.map(gateway::program).into_iter().chain([bridge, qemu]).collect(),
        main: NAME,
        sockets: [bridge::VHOST_SOCKET, bridge::VSOCK_SOCKET].map(str::to_owned).to_vec(),
        cgroup: spec.cgroup.clone(),
    })
}

/// The socket listens from before QEMU's start; nobody does once QEMU is gone.
pub(super) async fn connect(directory: &Path) -> Result<Monitor, MonitorError> {
    let opened = async {
        let stream = UnixStream::connect(directory.join(MONITOR_SOCKET)).await?;
        Monitor::open(stream.into_std()?)
    };
    opened.await.map_err(|error: io::Error| {
        tracing::debug!(%error, "the monitor's socket");
        MonitorError::Closed
    })
}

/// Each connection begins anew.
pub(super) async fn negotiate(monitor: &Monitor) -> Result<Value, MonitorError> {
    monitor.call("qmp_capabilities", START_LIMIT).await
}

async fn not_ready(program: String, supervision: &Supervision) -> VmmError {
    // A QEMU that closed its monitor is ending; its own words are the reason.
    let ended = tokio::time::timeout(PARTING, supervision.wait()).await;
    let stderr = match ended {
        Ok(end) => format!(": {}", exit(&end)),
        Err(_) => String::new(),
    };
    VmmError::NotReady { program, what: "its monitor", limit: START_LIMIT, stderr }
}
