//! The raw input.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Runs jobs of tenants that nobody trusts, each in a microVM of its own.
///
/// kilnd needs root. It listens on a unix socket that only root may use; `kiln` is its client.
#[derive(Clone, Debug, Parser)]
#[command(name = "kilnd", version)]
pub struct Flags {
    /// The daemon's own directory: one daemon a home.
    #[arg(long, env = "KILN_HOME", value_name = "DIR", default_value = "/var/lib/kiln")]
    pub home: PathBuf,

    /// Where clients connect.
    #[arg(long, env = "KILN_SOCKET", value_name = "PATH", default_value = "/run/kiln/kilnd.sock")]
    pub socket: PathBuf,

    /// The guest image that jobs run on (`cargo xtask image` makes one).
    #[arg(long, env = "KILN_GUEST_IMAGE", value_name = "DIR")]
    pub guest_image: PathBuf,

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

    /// What runs the guests' instructions. `auto` boots the guest image under KVM and takes
    /// emulation only where that fails and `--allow-emulation` is given.
    #[arg(long, env = "KILN_ACCELERATOR", value_enum, default_value_t = AcceleratorChoice::Auto)]
    pub accelerator: AcceleratorChoice,

    /// Lets jobs run under software emulation, which is slow and no security boundary of its own.
    #[arg(long, env = "KILN_ALLOW_EMULATION")]
    pub allow_emulation: bool,

    /// How many VMs run at once; more jobs wait [default: four for each CPU].
    #[arg(long, env = "KILN_MAX_VMS", value_name = "N")]
    pub max_vms: Option<usize>,

    /// How much memory all VMs together may have, in MiB [default: three quarters of the host's].
    #[arg(long, env = "KILN_MEMORY", value_name = "MIB")]
    pub memory: Option<u64>,

    /// How many ended jobs are remembered, with their logs.
    #[arg(long, env = "KILN_KEEP_JOBS", value_name = "N", default_value_t = 1000)]
    pub keep_jobs: usize,
}

const DEFAULT_QEMU: &str =
    if cfg!(target_arch = "aarch64") { "qemu-system-aarch64" } else { "qemu-system-x86_64" };

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AcceleratorChoice {
    Auto,
    Kvm,
    Tcg,
}
