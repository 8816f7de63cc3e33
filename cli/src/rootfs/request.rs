//! What was typed, as kilnd wants it. What was left out is kilnd's to fill in.

use std::time::Duration;

use clap::ValueEnum;
use kiln_proto::v1::{self, boot_probe, job_spec::Work, rootfs_spec::Source};

use crate::args::{Platform, Probe, RootfsArguments, RootfsOptions};

#[derive(Debug, thiserror::Error)]
#[error("--{flag} is longer than the wire can carry")]
pub(crate) struct TooLong {
    flag: &'static str,
}

/// What the job may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resources {
    pub(crate) cpus: Option<u32>,
    pub(crate) memory: Option<u64>,
    pub(crate) disk: Option<u64>,
    pub(crate) timeout: Option<Duration>,
}

impl Resources {
    pub(super) fn of(arguments: &RootfsArguments) -> Self {
        let &RootfsArguments { cpus, memory, disk, timeout, .. } = arguments;
        Self { cpus, memory, disk, timeout }
    }

    pub(crate) fn job(self, rootfs: v1::RootfsSpec) -> Result<v1::JobSpec, TooLong> {
        Ok(v1::JobSpec { work: Some(Work::Rootfs(rootfs)), ..self.spec()? })
    }

    /// Without its work.
    pub(super) fn spec(self) -> Result<v1::JobSpec, TooLong> {
        Ok(v1::JobSpec {
            cpus: self.cpus.unwrap_or_default(),
            memory_bytes: self.memory.unwrap_or_default(),
            disk_bytes: self.disk.unwrap_or_default(),
            timeout: duration(self.timeout, "timeout")?,
            ..v1::JobSpec::default()
        })
    }
}

pub(crate) fn spec(
    options: &RootfsOptions,
    source: Source,
    platform: Option<&Platform>,
    commands: &[String],
) -> Result<v1::RootfsSpec, TooLong> {
    Ok(v1::RootfsSpec {
        source: Some(source),
        platform: platform.map(|platform| platform.0.clone()).unwrap_or_default(),
        format: name(options.format),
        compression: name(options.compress),
        init: options.init.as_ref().map(|init| init.name().to_owned()).unwrap_or_default(),
        optimize: options.optimize.clone(),
        keep_locales: options.keep_locale.clone(),
        harden: harden(options),
        size_bytes: options.size.unwrap_or_default(),
        size_limit_bytes: options.size_limit.unwrap_or_default(),
        free: options.free.as_ref().map(|free| free.0.clone()).unwrap_or_default(),
        label: options.label.clone().unwrap_or_default(),
        boot_check: boot_check(options)?,
        commands: commands.to_vec(),
    })
}

pub(crate) fn probe(probe: &Probe) -> Option<v1::BootProbe> {
    let kind = match (&probe.probe_command, probe.probe_port) {
        (Some(command), _) => {
            boot_probe::Kind::Command(v1::BootCommand { argv: command.0.clone() })
        }
        (None, Some(port)) => boot_probe::Kind::Port(port.get().into()),
        (None, None) => return None,
    };
    Some(v1::BootProbe { kind: Some(kind) })
}

pub(crate) fn duration(
    asked: Option<Duration>,
    flag: &'static str,
) -> Result<Option<prost_types::Duration>, TooLong> {
    asked.map(prost_types::Duration::try_from).transpose().map_err(|_| TooLong { flag })
}

/// Absent where nothing was said.
fn harden(options: &RootfsOptions) -> Option<v1::HardenSpec> {
    let harden = v1::HardenSpec {
        off: options.no_harden,
        keep_secrets: options.keep_secret.clone(),
        setuid: name(options.setuid),
        capabilities: name(options.capabilities),
        world_writable: name(options.world_writable),
        devices: name(options.devices),
    };
    (harden != v1::HardenSpec::default()).then_some(harden)
}

/// Absent where nothing was said.
fn boot_check(options: &RootfsOptions) -> Result<Option<v1::BootCheck>, TooLong> {
    let check = v1::BootCheck {
        off: options.no_boot().is_some(),
        probe: probe(&options.probe),
        timeout: duration(options.boot_timeout, "boot-timeout")?,
    };
    Ok((check != v1::BootCheck::default()).then_some(check))
}

fn name<T: ValueEnum>(value: Option<T>) -> String {
    let value = value.and_then(|value| value.to_possible_value());
    value.map(|value| value.get_name().to_owned()).unwrap_or_default()
}
