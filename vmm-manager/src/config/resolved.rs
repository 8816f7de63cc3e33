//! What nobody checks again.

use std::{fs, io, num::NonZero, path::PathBuf, thread::available_parallelism, time::Duration};

use super::{
    DriverConfig, InvalidNetwork, NetworkConfig,
    egress::{EgressConfig, InvalidEgress},
    flags::{Flags, LimitFlag, LimitedPhase},
    registry::{InvalidRegistry, RegistryConfig},
};
use crate::{
    host::{UserError, VmUsers},
    lifecycle::PhaseLimits,
    log::LogQuota,
    pool::NUMBERS,
};

#[derive(Debug)]
pub struct Config {
    pub home: PathBuf,
    pub socket: PathBuf,
    /// Whom kilnd becomes, where it is root.
    pub user: String,
    /// Those of VMs, where kilnd is root.
    pub vm_users: VmUsers,
    pub guest_image: PathBuf,
    pub drivers: DriverConfig,
    pub pool: PathBuf,
    /// `None`: no guest has one.
    pub network: Option<NetworkConfig>,
    /// `None`: the host has none.
    pub registry: Option<RegistryConfig>,
    /// What one VM can have at most: the host's.
    pub host_cpus: u32,
    pub budget: BudgetConfig,
    pub max_queued: usize,
    /// Of guests that have a network.
    pub egress: EgressConfig,
    pub log_quota: LogQuota,
    pub limits: PhaseLimits,
    pub retention: RetentionConfig,
    pub drain_limit: Duration,
}

/// What all VMs together may have.
#[derive(Clone, Copy, Debug)]
pub struct BudgetConfig {
    pub vms: u32,
    pub cpus: u32,
    pub memory_bytes: u64,
    /// `None`: measured when the home is open.
    pub disk_bytes: Option<u64>,
}

/// What is kept of ended jobs.
#[derive(Clone, Copy, Debug)]
pub struct RetentionConfig {
    pub jobs: usize,
    pub age: Duration,
    pub outputs_age: Duration,
    /// `None`: a quarter of the disk budget.
    pub outputs_bytes: Option<u64>,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "kilnd must be started as root, and runs as user {uid}: start it with sudo or from the service \
         manager, or say --allow-reduced-jail if VMs may do without users and namespaces of their own"
    )]
    NotRoot { uid: u32 },
    #[error("--accelerator tcg is software emulation; say --allow-emulation if that is meant")]
    EmulationNotAllowed,
    #[error("Cloud Hypervisor runs under KVM alone; for emulation say --vmm qemu")]
    KvmAlone,
    #[error(
        "there is no guest image to run jobs on: name one with --guest-image DIR \
         (`cargo xtask image` makes one and prints where it is)"
    )]
    NoGuestImage,
    #[error("--uid-base cannot be used")]
    UidBase(#[from] UserError),
    #[error("guests cannot have such a network")]
    Network(#[from] InvalidNetwork),
    #[error(transparent)]
    Egress(#[from] InvalidEgress),
    #[error(transparent)]
    Registry(#[from] InvalidRegistry),
    #[error("{flag} must be at least {least}")]
    TooSmall { flag: &'static str, least: u64 },
    #[error("{flag} {asked} is more than the host's {available}")]
    TooLarge { flag: &'static str, asked: u64, available: u64 },
    #[error("kilnd does not know where it is itself; name its supervisor with --shim")]
    OwnProgram { source: io::Error },
    #[error("/proc/meminfo could not be read")]
    Memory { source: io::Error },
}

impl Config {
    pub fn resolve(flags: Flags) -> Result<Self, ConfigError> {
        let uid = rustix::process::geteuid();
        if !uid.is_root() && !flags.allow_reduced_jail {
            return Err(ConfigError::NotRoot { uid: uid.as_raw() });
        }
        let drivers = DriverConfig::read(&flags)?;
        drivers.check()?;
        let host_cpus = available_parallelism().map_or(1, NonZero::get);
        let host_cpus = u32::try_from(host_cpus).unwrap_or(u32::MAX);
        let vms = flags.max_vms.unwrap_or(host_cpus.saturating_mul(4));
        let cpus = flags.cpus.unwrap_or(host_cpus.saturating_mul(4));
        at_least("--max-vms", vms.into(), 1)?;
        if vms > NUMBERS {
            let (asked, available) = (vms.into(), NUMBERS.into());
            return Err(ConfigError::TooLarge { flag: "--max-vms", asked, available });
        }
        at_least("--cpus", cpus.into(), 1)?;
        at_least("--log-quota", flags.log_quota, 1)?;
        if let Some(disk) = flags.disk {
            at_least("--disk", disk, 32)?;
        }
        let host_mebibytes = host_memory_mebibytes()?;
        let mebibytes = flags.memory.unwrap_or(host_mebibytes / 4 * 3);
        at_least("--memory", mebibytes, 256)?;
        if mebibytes > host_mebibytes {
            let available = host_mebibytes;
            return Err(ConfigError::TooLarge { flag: "--memory", asked: mebibytes, available });
        }
        let Flags {
            home,
            socket,
            user,
            uid_base,
            allow_reduced_jail: _,
            guest_image,
            vmm: _,
            cloud_hypervisor: _,
            qemu: _,
            vhost_device_vsock: _,
            shim: _,
            pool,
            accelerator: _,
            allow_emulation: _,
            max_vms: _,
            memory: _,
            cpus: _,
            disk,
            max_queued,
            egress,
            log_quota,
            limits,
            keep_jobs,
            keep_days,
            keep_outputs_days,
            keep_outputs,
            network,
            registry,
            drain_limit,
        } = flags;
        Ok(Self {
            home,
            socket,
            user,
            vm_users: VmUsers::from_base(uid_base)?,
            guest_image: guest_image.ok_or(ConfigError::NoGuestImage)?,
            drivers,
            pool,
            network: NetworkConfig::resolve(network)?,
            registry: RegistryConfig::resolve(registry)?,
            host_cpus,
            budget: BudgetConfig {
                vms,
                cpus,
                memory_bytes: mebibytes << 20,
                disk_bytes: disk.map(|mebibytes| mebibytes << 20),
            },
            max_queued,
            egress: EgressConfig::resolve(egress)?,
            log_quota: LogQuota::of(log_quota << 20),
            limits: limits.into_iter().fold(PhaseLimits::default(), with_limit),
            retention: RetentionConfig {
                jobs: keep_jobs,
                age: DAY * keep_days,
                outputs_age: DAY * keep_outputs_days,
                outputs_bytes: keep_outputs.map(|mebibytes| mebibytes << 20),
            },
            drain_limit: Duration::from_secs(drain_limit),
        })
    }
}

fn at_least(flag: &'static str, asked: u64, least: u64) -> Result<(), ConfigError> {
    if asked < least { Err(ConfigError::TooSmall { flag, least }) } else { Ok(()) }
}

fn with_limit(mut limits: PhaseLimits, flag: LimitFlag) -> PhaseLimits {
    let limit = match flag.phase {
        LimitedPhase::Create => &mut limits.create,
        LimitedPhase::Boot => &mut limits.boot,
        LimitedPhase::Hello => &mut limits.hello,
        LimitedPhase::Attach => &mut limits.attach,
        LimitedPhase::Source => &mut limits.source,
        LimitedPhase::Engine => &mut limits.engine,
        LimitedPhase::Exec => &mut limits.exec,
        LimitedPhase::Pack => &mut limits.pack,
        LimitedPhase::Ingest => &mut limits.ingest,
        LimitedPhase::Publish => &mut limits.publish,
    };
    *limit = flag.limit;
    limits
}

fn host_memory_mebibytes() -> Result<u64, ConfigError> {
    let text =
        fs::read_to_string("/proc/meminfo").map_err(|source| ConfigError::Memory { source })?;
    text.lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok())
        .map(|kibibytes: u64| kibibytes >> 10)
        .ok_or_else(|| ConfigError::Memory { source: io::ErrorKind::InvalidData.into() })
}
