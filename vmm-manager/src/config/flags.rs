//! The raw input.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{Parser, ValueEnum};

use super::{NetworkFlags, RegistryFlags, egress::EgressFlags};

/// Runs jobs of tenants that nobody trusts, each in a microVM of its own.
///
/// kilnd is started as root and goes on as a user without privileges; what needs some, a small helper
/// does. It listens on a unix socket that only this user and root may use; `kiln` is its client.
#[derive(Clone, Debug, Parser)]
#[command(name = "kilnd", version)]
pub struct Flags {
    /// The daemon's own directory: one daemon a home.
    #[arg(long, env = "KILN_HOME", value_name = "DIR", default_value = "/var/lib/kiln")]
    pub home: PathBuf,

    /// Where clients connect.
    #[arg(long, env = "KILN_SOCKET", value_name = "PATH", default_value = "/run/kiln/kilnd.sock")]
    pub socket: PathBuf,

    /// Whom kilnd becomes once it has what only root can take: a name or a number.
    #[arg(long, env = "KILN_USER", value_name = "USER", default_value = "kiln")]
    pub user: String,

    /// The first of 131072 user ids that are nobody's: each VM runs as one of them, and so does
    /// each VM's gateway.
    #[arg(long, env = "KILN_UID_BASE", value_name = "UID", default_value_t = 1_900_000_000)]
    pub uid_base: u32,

    /// Lets kilnd run without root. VMs then have neither a user nor namespaces of their own, and
    /// each job's record says so.
    #[arg(long, env = "KILN_ALLOW_REDUCED_JAIL")]
    pub allow_reduced_jail: bool,

    /// The guest image that jobs run on (`cargo xtask image` makes one). Required to run jobs.
    #[arg(long, env = "KILN_GUEST_IMAGE", value_name = "DIR")]
    pub guest_image: Option<PathBuf>,

    /// What makes the VMs. `auto` takes Cloud Hypervisor where it is there and boots the guest image
    /// under KVM, else QEMU.
    #[arg(long, env = "KILN_VMM", value_enum, default_value_t = VmmChoice::Auto)]
    pub vmm: VmmChoice,

    /// Cloud Hypervisor, version 53 or later.
    #[arg(
        long,
        env = "KILN_CLOUD_HYPERVISOR",
        value_name = "PROGRAM",
        default_value = "cloud-hypervisor"
    )]
    pub cloud_hypervisor: PathBuf,

    /// QEMU's system emulator for this machine's architecture.
    #[arg(long, env = "KILN_QEMU", value_name = "PROGRAM", default_value = DEFAULT_QEMU)]
    pub qemu: PathBuf,

    /// QEMU's vsock bridge.
    #[arg(
        long,
        env = "KILN_VHOST_DEVICE_VSOCK",
        value_name = "PROGRAM",
        default_value = "vhost-device-vsock"
    )]
    pub vhost_device_vsock: PathBuf,

    /// The supervisor of a VM, which outlives kilnd [default: the kiln-shim beside this program].
    #[arg(long, env = "KILN_SHIM", value_name = "PROGRAM")]
    pub shim: Option<PathBuf>,

    /// Where the daemons of this host share out what must be unique on it. The same for all of
    /// them, and emptied by a reboot.
    #[arg(long, env = "KILN_POOL", value_name = "DIR", default_value = "/run/kiln/pool")]
    pub pool: PathBuf,

    /// What runs the guests' instructions. `auto` boots the guest image under KVM and takes
    /// emulation only where that fails and `--allow-emulation` is given.
    #[arg(long, env = "KILN_ACCELERATOR", value_enum, default_value_t = AcceleratorChoice::Auto)]
    pub accelerator: AcceleratorChoice,

    /// Lets jobs run under software emulation, which is slow and no security boundary of its own.
    #[arg(long, env = "KILN_ALLOW_EMULATION")]
    pub allow_emulation: bool,

    /// How many VMs run at once; more jobs wait [default: four for each CPU].
    #[arg(long, env = "KILN_MAX_VMS", value_name = "N")]
    pub max_vms: Option<u32>,

    /// How much memory all VMs together may have, in MiB [default: three quarters of the host's].
    #[arg(long, env = "KILN_MEMORY", value_name = "MIB")]
    pub memory: Option<u64>,

    /// How many virtual CPUs all VMs together may have [default: four for each CPU].
    #[arg(long, env = "KILN_CPUS", value_name = "N")]
    pub cpus: Option<u32>,

    /// How much all disks together may come to, in MiB: scratch disks, sources and outputs, full or
    /// not [default: nine tenths of what is free below the home].
    #[arg(long, env = "KILN_DISK", value_name = "MIB")]
    pub disk: Option<u64>,

    /// How many jobs may wait; more are refused.
    #[arg(long, env = "KILN_MAX_QUEUED", value_name = "N", default_value_t = 10_000)]
    pub max_queued: usize,

    #[command(flatten)]
    pub egress: EgressFlags,

    /// How much of a job's log is kept, in MiB: half of it the head, the rest the tail.
    #[arg(long, env = "KILN_LOG_QUOTA", value_name = "MIB", default_value_t = 32)]
    pub log_quota: u64,

    /// Until a guest in this phase counts as silent: `create`, `boot`, `hello`, `attach`, `source`,
    /// `exec`, `pack` or `ingest`. Once for each.
    #[arg(
        long = "limit",
        env = "KILN_LIMITS",
        value_name = "PHASE=SECONDS",
        value_delimiter = ','
    )]
    pub limits: Vec<LimitFlag>,

    /// How many ended jobs are remembered, with their logs and outputs.
    #[arg(long, env = "KILN_KEEP_JOBS", value_name = "N", default_value_t = 1000)]
    pub keep_jobs: usize,

    /// For how many days an ended job is remembered.
    #[arg(long, env = "KILN_KEEP_DAYS", value_name = "N", default_value_t = 30)]
    pub keep_days: u32,

    /// For how many days the outputs of a job are kept.
    #[arg(long, env = "KILN_KEEP_OUTPUTS_DAYS", value_name = "N", default_value_t = 7)]
    pub keep_outputs_days: u32,

    /// How much the outputs of ended jobs may come to, in MiB; the oldest go first [default: a
    /// quarter of the disk budget].
    #[arg(long, env = "KILN_KEEP_OUTPUTS", value_name = "MIB")]
    pub keep_outputs: Option<u64>,

    #[command(flatten)]
    pub network: NetworkFlags,

    #[command(flatten)]
    pub registry: RegistryFlags,

    /// How long kilnd waits for running jobs when it is told to stop by SIGTERM, in seconds. What
    /// runs on then is taken up by the next kilnd of this home. SIGINT ends them instead.
    #[arg(long, env = "KILN_DRAIN_LIMIT", value_name = "SECONDS", default_value_t = 30)]
    pub drain_limit: u64,
}

/// `boot=60`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitFlag {
    pub phase: LimitedPhase,
    pub limit: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LimitedPhase {
    Create,
    Boot,
    Hello,
    Attach,
    Source,
    Engine,
    Exec,
    Pack,
    Ingest,
    Publish,
}

impl FromStr for LimitFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (phase, seconds) = text.split_once('=').ok_or("is not PHASE=SECONDS")?;
        let phase = LimitedPhase::from_str(phase, false)
            .map_err(|_| format!("{phase:?} is no phase with a limit"))?;
        match seconds.parse() {
            Ok(seconds @ 1..=86_400) => Ok(Self { phase, limit: Duration::from_secs(seconds) }),
            Ok(_) | Err(_) => Err(format!("{seconds:?} is no number of seconds, 1 to 86400")),
        }
    }
}

const DEFAULT_QEMU: &str =
    if cfg!(target_arch = "aarch64") { "qemu-system-aarch64" } else { "qemu-system-x86_64" };

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VmmChoice {
    Auto,
    CloudHypervisor,
    Qemu,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AcceleratorChoice {
    Auto,
    Kvm,
    Tcg,
}

#[cfg(test)]
mod tests {
    use super::{Duration, LimitFlag, LimitedPhase};

    fn check(text: &str, expected: Option<(LimitedPhase, u64)>) {
        let expected = expected
            .map(|(phase, seconds)| LimitFlag { phase, limit: Duration::from_secs(seconds) });
        assert_eq!(text.parse().ok(), expected, "{text}");
    }

    #[test]
    fn a_limit_names_its_phase() {
        check("boot=60", Some((LimitedPhase::Boot, 60)));
        check("ingest=86400", Some((LimitedPhase::Ingest, 86_400)));
        for text in ["", "boot", "boot=", "boot=0", "boot=-1", "boot=86401", "work=5", "=5"] {
            check(text, None);
        }
    }
}
