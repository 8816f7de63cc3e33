//! Root filesystems and boots, out of the wire's types.

use kiln_proto::v1::{self, boot_probe, boot_spec, rootfs_spec};

use super::{known, time::duration_of};
use crate::record::{
    Boot, BootCheck, BootOptions, HardenOptions, Origin, Probe, Rootfs, RootfsOptions,
};

impl From<v1::RootfsSpec> for RootfsOptions {
    fn from(wire: v1::RootfsSpec) -> Self {
        let v1::RootfsSpec {
            source,
            platform,
            format,
            compression,
            init,
            optimize,
            keep_locales,
            harden,
            size_bytes,
            size_limit_bytes,
            free,
            label,
            boot_check,
            commands,
        } = wire;
        let source = match source {
            Some(rootfs_spec::Source::Reference(reference)) => {
                Origin { reference: Some(reference), ..Origin::default() }
            }
            Some(rootfs_spec::Source::Build(v1::BuiltImageSource { build_id, export })) => {
                Origin { job_id: Some(build_id), export: known(export), ..Origin::default() }
            }
            Some(rootfs_spec::Source::SourceId(id)) => {
                Origin { source_id: Some(id), ..Origin::default() }
            }
            None => Origin::default(),
        };
        let some = |bytes| (bytes != 0).then_some(bytes);
        Self {
            source,
            platform,
            format,
            compression,
            init,
            optimize,
            keep_locales,
            harden: harden.map(HardenOptions::from),
            size_bytes: some(size_bytes),
            size_limit_bytes: some(size_limit_bytes),
            free,
            label,
            boot_check: boot_check.filter(|check| !check.off).map(BootCheck::from),
            commands,
        }
    }
}

impl From<v1::HardenSpec> for HardenOptions {
    fn from(wire: v1::HardenSpec) -> Self {
        let v1::HardenSpec { off, keep_secrets, setuid, capabilities, world_writable, devices } =
            wire;
        Self { off, keep_secrets, setuid, capabilities, world_writable, devices }
    }
}

impl From<v1::BootCheck> for BootCheck {
    fn from(v1::BootCheck { off: _, probe, timeout }: v1::BootCheck) -> Self {
        Self {
            probe: probe.map(Probe::from),
            timeout_seconds: timeout.map(|timeout| duration_of(&timeout).as_secs_f64()),
        }
    }
}

impl From<v1::BootProbe> for Probe {
    fn from(v1::BootProbe { kind }: v1::BootProbe) -> Self {
        match kind {
            Some(boot_probe::Kind::Command(v1::BootCommand { argv })) => {
                Self { command: Some(argv), port: None }
            }
            Some(boot_probe::Kind::Port(port)) => Self { command: None, port: Some(port) },
            None => Self::default(),
        }
    }
}

impl From<v1::BootSpec> for BootOptions {
    fn from(v1::BootSpec { source, init, arguments, probe }: v1::BootSpec) -> Self {
        let source = match source {
            Some(boot_spec::Source::SourceId(id)) => {
                Origin { source_id: Some(id), ..Origin::default() }
            }
            Some(boot_spec::Source::Rootfs(v1::RootfsSource { job_id, artifact })) => {
                Origin { job_id: Some(job_id), artifact: known(artifact), ..Origin::default() }
            }
            None => Origin::default(),
        };
        Self { source, init, arguments, probe: probe.map(Probe::from) }
    }
}

impl From<v1::RootfsResult> for Rootfs {
    fn from(wire: v1::RootfsResult) -> Self {
        let v1::RootfsResult {
            digest,
            size_bytes,
            artifact,
            metadata,
            image,
            image_digest,
            manifest_digest,
            config_digest,
            platform,
            uuid,
            used_bytes,
            free_bytes,
            init,
            kernel_arguments,
            freed_bytes,
            secrets_removed,
            image_stale,
        } = wire;
        Self {
            digest,
            size_bytes,
            artifact,
            metadata,
            image: known(image),
            image_digest: known(image_digest),
            image_stale,
            manifest_digest,
            config_digest,
            platform,
            uuid: known(uuid),
            used_bytes,
            free_bytes,
            init,
            kernel_arguments,
            freed_bytes,
            secrets_removed,
        }
    }
}

impl From<v1::BootRecord> for Boot {
    fn from(wire: v1::BootRecord) -> Self {
        let v1::BootRecord { skipped, state, by, up_after, exit, console_tail } = wire;
        Self {
            skipped: known(skipped),
            state: known(state),
            by: known(by),
            up_after_seconds: up_after.map(|after| duration_of(&after).as_secs_f64()),
            exit: exit.map(Into::into),
            console_tail,
        }
    }
}
