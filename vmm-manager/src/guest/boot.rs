//! What is to be booted in a guest whose kernel was told so.

use std::time::Duration;

use kiln_proto::agent::v1::{self, boot_probe::Kind};

use crate::job::Probe;

/// One root filesystem, its limit, and how long we wait for it to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootCommand {
    /// At most 64 letters, digits and dashes.
    pub id: String,
    /// Output from here on is to come; above 0 only for one that was begun before.
    pub output_offset: u64,
    /// From its start until the agent ends it.
    pub timeout: Option<Duration>,
    /// Until process 1 has become the init, or was refused.
    pub start_limit: Duration,
    /// The virtio serial of the ext4.
    pub disk: String,
    /// Absolute; empty means what the root has.
    pub init: String,
    pub arguments: Vec<String>,
    pub probe: Option<Probe>,
}

impl From<BootCommand> for v1::BootStart {
    fn from(command: BootCommand) -> Self {
        let BootCommand {
            id,
            output_offset,
            timeout,
            start_limit: _kept_by_the_host,
            disk,
            init,
            arguments,
            probe,
        } = command;
        // A limit under a millisecond must not round to 0, which is none.
        let timeout_millis = timeout.map_or(0, |limit| {
            u64::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1)
        });
        let kind = probe.map(|probe| match probe {
            Probe::Command(argv) => Kind::Command(v1::BootCommand { argv }),
            Probe::Port(port) => Kind::Port(port.into()),
        });
        let probe = kind.map(|kind| v1::BootProbe { kind: Some(kind) });
        Self { id, output_offset, timeout_millis, disk, init, arguments, probe }
    }
}
