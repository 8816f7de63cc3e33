//! From a spec to a machine that holds still before its guest's first instruction.

use std::{
    io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Qemu,
    arguments::{Sockets, render},
    bridge,
    machine::{Parts, QemuMachine},
    monitor::{Monitor, MonitorError},
    read_back::Reported,
};
use crate::vmm::{
    VmSpec, VmmError,
    process::{Program, Stdout, Supervised},
    serial::SERIAL_BYTES,
};

/// A tenth of a second on an idle host.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Of `sockaddr_un`, without its final zero.
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// When it fails, or is dropped half-way, what was started dies with its owners.
pub(super) async fn start(driver: &Qemu, spec: VmSpec) -> Result<QemuMachine, VmmError> {
    let Qemu { config, firmware, .. } = driver;
    let vsock_socket = socket_path(&spec.directory)?;
    let (bridge, vsock) = bridge::start(&config.vhost_device_vsock, &spec.directory).await?;

    let monitor = |source| VmmError::Io { what: "the monitor's socket", source };
    let (ours, theirs) = UnixStream::pair().map_err(monitor)?;
    let mut program =
        Program::new(&config.qemu).directory(&spec.directory).stdout(Stdout::Tail(SERIAL_BYTES));
    let sockets = Sockets { monitor: program.pass(theirs.into()), vsock: program.pass(vsock) };
    let program =
        program.arguments(render(&spec, config.accelerator, firmware.as_deref(), sockets));
    let shown = config.qemu.display().to_string();
    let qemu = Supervised::spawn(program)
        .await
        .map_err(|source| VmmError::Spawn { program: shown.clone(), source })?;
    let monitor = Monitor::open(ours).map_err(monitor)?;

    match report(&monitor).await {
        Ok(reported) => reported.matches(&spec)?,
        Err(MonitorError::Refused { reason }) => {
            return Err(VmmError::Refused { command: "the read-back", reason });
        }
        Err(MonitorError::Closed | MonitorError::Timeout(_)) => {
            return Err(not_ready(shown, &qemu).await);
        }
    }
    Ok(QemuMachine::new(Parts::new(qemu, bridge, monitor), vsock_socket))
}

/// Everything is asked at once, so the answers come as soon as QEMU can give any.
async fn report(monitor: &Monitor) -> Result<Reported, MonitorError> {
    let (_, status, cpus, memory, block) = tokio::try_join!(
        biased;
        monitor.call("qmp_capabilities", START_LIMIT),
        monitor.call("query-status", START_LIMIT),
        monitor.call("query-cpus-fast", START_LIMIT),
        monitor.call("query-memory-size-summary", START_LIMIT),
        monitor.call("query-block", START_LIMIT),
    )?;
    Ok(Reported { status, cpus, memory, block })
}

async fn not_ready(program: String, qemu: &Supervised) -> VmmError {
    // A QEMU that closed its monitor is ending; its own words are the reason.
    let ended = tokio::time::timeout(Duration::from_secs(5), qemu.wait()).await;
    let stderr = match ended {
        Ok(exit) => format!(": it {exit}: {}", qemu.stderr()),
        Err(_) => format!(": {}", qemu.stderr()),
    };
    VmmError::NotReady { program, what: "its monitor", limit: START_LIMIT, stderr }
}

/// The children use names relative to the directory; we cannot.
fn socket_path(directory: &Path) -> Result<PathBuf, VmmError> {
    use std::os::unix::ffi::OsStrExt as _;
    for name in [bridge::VHOST_SOCKET, bridge::VSOCK_SOCKET] {
        let path = directory.join(name);
        if path.as_os_str().as_bytes().len() > MAX_SOCKET_PATH_BYTES {
            let limit = MAX_SOCKET_PATH_BYTES;
            return Err(VmmError::SocketPath { path, limit });
        }
        // Left by a machine that had this directory before: the bridge could not bind.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(VmmError::Io { what: "a stale socket", source: error });
            }
            _ => {}
        }
    }
    Ok(directory.join(bridge::VSOCK_SOCKET))
}

#[cfg(test)]
mod tests {
    use super::{Path, VmmError, socket_path};

    fn check(directory_bytes: usize, fits: bool) {
        let directory = format!("/{}", "d".repeat(directory_bytes - 1));
        match socket_path(Path::new(&directory)) {
            Ok(path) => assert!(fits, "{}", path.display()),
            Err(VmmError::SocketPath { .. }) => assert!(!fits, "{directory_bytes}"),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_socket_path_that_the_kernel_would_refuse_is_refused_first() {
        let name = "/vsock.sock".len();
        check(20, true);
        check(107 - name, true);
        check(107 - name + 1, false);
    }
}
