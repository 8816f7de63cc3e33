//! What nobody checks again.

use std::{fs, io, num::NonZero, path::PathBuf, thread::available_parallelism};

use super::flags::{AcceleratorChoice, Flags};

#[derive(Debug)]
pub struct Config {
    pub home: PathBuf,
    pub socket: PathBuf,
    pub guest_image: PathBuf,
    pub qemu: PathBuf,
    pub vhost_device_vsock: PathBuf,
    pub accelerator: AcceleratorChoice,
    pub allow_emulation: bool,
    pub cpus: u32,
    pub max_vms: usize,
    pub memory_bytes: u64,
    pub keep_jobs: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "kilnd must run as root, and runs as user {uid}: start it with sudo or from the service manager"
    )]
    NotRoot { uid: u32 },
    #[error("--accelerator tcg is software emulation; say --allow-emulation if that is meant")]
    EmulationNotAllowed,
    #[error("{flag} must be at least {least}")]
    TooSmall { flag: &'static str, least: u64 },
    #[error("{flag} {asked} is more than the host's {available}")]
    TooLarge { flag: &'static str, asked: u64, available: u64 },
    #[error("/proc/meminfo could not be read")]
    Memory { source: io::Error },
}

impl Config {
    pub fn resolve(flags: Flags) -> Result<Self, ConfigError> {
        let uid = rustix::process::geteuid();
        if !uid.is_root() {
            return Err(ConfigError::NotRoot { uid: uid.as_raw() });
        }
        if flags.accelerator == AcceleratorChoice::Tcg && !flags.allow_emulation {
            return Err(ConfigError::EmulationNotAllowed);
        }
        let cpus = available_parallelism().map_or(1, NonZero::get);
        let max_vms = flags.max_vms.unwrap_or(4 * cpus);
        if max_vms == 0 {
            return Err(ConfigError::TooSmall { flag: "--max-vms", least: 1 });
        }
        let host_mebibytes = host_memory_mebibytes()?;
        let mebibytes = flags.memory.unwrap_or(host_mebibytes / 4 * 3);
        if mebibytes < 256 {
            return Err(ConfigError::TooSmall { flag: "--memory", least: 256 });
        }
        if mebibytes > host_mebibytes {
            let available = host_mebibytes;
            return Err(ConfigError::TooLarge { flag: "--memory", asked: mebibytes, available });
        }
        let Flags {
            home,
            socket,
            guest_image,
            qemu,
            vhost_device_vsock,
            accelerator,
            allow_emulation,
            max_vms: _,
            memory: _,
            keep_jobs,
        } = flags;
        Ok(Self {
            home,
            socket,
            guest_image,
            qemu,
            vhost_device_vsock,
            accelerator,
            allow_emulation,
            cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
            max_vms,
            memory_bytes: mebibytes << 20,
            keep_jobs,
        })
    }
}

fn host_memory_mebibytes() -> Result<u64, ConfigError> {
    let text =
        fs::read_to_string("/proc/meminfo").map_err(|source| ConfigError::Memory { source })?;
    text.lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok())
        .map(|kibibytes: u64| kibibytes >> 10)
        .ok_or_else(|| ConfigError::Memory { source: io::ErrorKind::InvalidData.into() })
}
