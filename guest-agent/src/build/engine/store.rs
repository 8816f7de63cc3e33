//! containerd: it holds the engine's images, layers and caches.
//!
//! The engine would start one of its own, and give it fifteen seconds: too few where processors are
//! emulated on a busy host. It is started beside the engine instead, which waits for it.

use std::{fs, io, path::Path, time::Duration};

use kiln_proto::agent::v1::{EnvironmentVariable, ExecStart};
use serde_json::Value;
use tokio::{io::AsyncReadExt as _, time::sleep};

use super::{api, error::EngineError};
use crate::{build::layout::Layout, command::Command, exec};

/// Where it listens, in the directory that is its own.
const SOCKET: &str = "containerd.sock";
const SETTINGS: &str = "config.toml";
/// How often one that hangs up is tried again.
const PAUSE: Duration = Duration::from_millis(3);
/// The head of an HTTP/2 frame: three bytes of length, its type, flags and stream.
const FRAME_BYTES: usize = 9;
/// The type of the frame that a server speaks first.
const GREETING: u8 = 4;

/// What neither the engine nor its builds use. Some look for kernel modules, for devices or for
/// programs before they find that they cannot be had. `runtime.v1.linux` is not used either, but tasks
/// do not load without it.
const UNUSED: &[&str] = &[
    "io.containerd.grpc.v1.cri",
    "io.containerd.grpc.v1.transfer",
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.restart",
    "io.containerd.internal.v1.tracing",
    "io.containerd.monitor.v1.cgroups",
    "io.containerd.nri.v1.nri",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.native",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.transfer.v1.local",
];

/// Where the engine finds it.
pub(super) fn socket(layout: &Layout) -> std::path::PathBuf {
    layout.store.join(SOCKET)
}

/// What it is to be: its state on the engine's disk, what lives no longer than it in memory. May block.
pub(super) fn write(layout: &Layout) -> Result<(), EngineError> {
    let path = layout.store.join(SETTINGS);
    fs::create_dir_all(&layout.store)
        .and_then(|()| fs::write(&path, settings(layout)))
        .map_err(|source| EngineError::Write { path, source })
}

fn settings(layout: &Layout) -> String {
    // Of strings, TOML writes the plain ones as JSON does.
    let string = |path: &Path| Value::from(path.display().to_string());
    format!(
        "version = 2\nroot = {}\nstate = {}\ndisabled_plugins = {}\n[grpc]\naddress = {}\n",
        string(&layout.state.join("containerd")),
        string(&layout.store.join("state")),
        Value::from(UNUSED),
        string(&socket(layout)),
    )
}

pub(super) fn command(layout: &Layout) -> Result<Command, EngineError> {
    let variable = |name: &str, value: &str| EnvironmentVariable {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let start = ExecStart {
        argv: vec![
            layout.containerd.display().to_string(),
            format!("--config={}", layout.store.join(SETTINGS).display()),
            "--log-level=warn".to_owned(),
        ],
        env: vec![variable("PATH", &layout.path), variable("HOME", "/root")],
        ..Default::default()
    };
    Ok(Command::try_from(start).map_err(exec::Refusal::from)?)
}

/// Returns when it has greeted; it listens only when all that it consists of is loaded.
///
/// # Cancel safety
/// Safe.
pub(super) async fn greeted(socket: &Path) -> io::Result<()> {
    loop {
        let mut stream = api::connect(socket).await?;
        let mut frame = [0; FRAME_BYTES];
        match stream.read_exact(&mut frame).await {
            Ok(_) if frame[3] == GREETING => return Ok(()),
            Ok(_) => return Err(io::ErrorKind::InvalidData.into()),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_images_are_on_the_disk_and_its_sockets_in_memory() {
        let settings = settings(&Layout::default());
        let line = |line: &str| assert!(settings.lines().any(|one| one == line), "{settings}");
        line("root = \"/var/lib/docker/containerd\"");
        line("state = \"/run/kiln/containerd/state\"");
        line("address = \"/run/kiln/containerd/containerd.sock\"");
        assert!(settings.contains("[\"io.containerd.grpc.v1.cri\",\"io.containerd."), "{settings}");
    }
}
