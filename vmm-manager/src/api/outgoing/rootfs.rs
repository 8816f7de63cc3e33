//! Root filesystems and machines that boot: as they were asked for, and what came of them.

use kiln_proto::v1;

use super::exit_status;
use crate::job::{
    Boot, BootCheck, BootRecord, BootSource, Probe, Rootfs, RootfsRecord, Up, UpBy,
    rootfs::{Converted, Ext4, Harden, MadeRootfs, RootfsFormat, RootfsImage},
};

pub(super) fn rootfs_spec(rootfs: &Rootfs) -> v1::RootfsSpec {
    use v1::rootfs_spec::Source;
    let Rootfs {
        source,
        platform,
        format,
        packing,
        init,
        optimize,
        keep_locales,
        harden,
        check,
        commands,
    } = rootfs;
    let source = match source {
        RootfsImage::Reference(reference) => Source::Reference(reference.clone()),
        RootfsImage::Build { build, export } => Source::Build(v1::BuiltImageSource {
            build_id: build.to_string(),
            export: export.clone(),
        }),
        RootfsImage::Upload(source) => Source::SourceId(source.to_string()),
    };
    let ext4 = match format {
        RootfsFormat::Ext4(ext4) => ext4.clone(),
        RootfsFormat::Tar => Ext4::default(),
    };
    let Ext4 { size_bytes, limit_bytes, free, label } = ext4;
    v1::RootfsSpec {
        platform: platform.clone(),
        format: format.name().to_owned(),
        compression: packing.name().to_owned(),
        init: init.name().to_owned(),
        optimize: optimize.iter().map(|excess| excess.name().to_owned()).collect(),
        keep_locales: keep_locales.clone(),
        harden: Some(self::harden(harden.as_ref())),
        size_bytes: size_bytes.unwrap_or_default(),
        size_limit_bytes: limit_bytes.unwrap_or_default(),
        free: free.unwrap_or_default(),
        label,
        boot_check: Some(self::check(check.as_ref())),
        commands: commands.clone(),
        source: Some(source),
    }
}

fn harden(harden: Option<&Harden>) -> v1::HardenSpec {
    let Some(Harden { keep_secrets, setuid, capabilities, world_writable, devices }) = harden
    else {
        return v1::HardenSpec { off: true, ..v1::HardenSpec::default() };
    };
    v1::HardenSpec {
        off: false,
        keep_secrets: keep_secrets.clone(),
        setuid: setuid.name().to_owned(),
        capabilities: capabilities.name().to_owned(),
        world_writable: world_writable.name().to_owned(),
        devices: devices.name().to_owned(),
    }
}

fn check(check: Option<&BootCheck>) -> v1::BootCheck {
    let Some(BootCheck { probe, timeout }) = check else {
        return v1::BootCheck { off: true, ..v1::BootCheck::default() };
    };
    let probe = probe.as_ref().map(self::probe);
    v1::BootCheck { off: false, probe, timeout: (*timeout).try_into().ok() }
}

fn probe(probe: &Probe) -> v1::BootProbe {
    use v1::boot_probe::Kind;
    let kind = match probe {
        Probe::Command(argv) => Kind::Command(v1::BootCommand { argv: argv.clone() }),
        Probe::Port(port) => Kind::Port((*port).into()),
    };
    v1::BootProbe { kind: Some(kind) }
}

pub(super) fn boot_spec(boot: &Boot) -> v1::BootSpec {
    use v1::boot_spec::Source;
    let Boot { source, init, arguments, probe } = boot;
    let source = match source {
        BootSource::Upload(source) => Source::SourceId(source.to_string()),
        BootSource::Artifact { job, artifact } => {
            Source::Rootfs(v1::RootfsSource { job_id: job.to_string(), artifact: artifact.clone() })
        }
    };
    v1::BootSpec {
        init: init.clone(),
        arguments: arguments.clone(),
        probe: probe.as_ref().map(self::probe),
        source: Some(source),
    }
}

/// `None` before it is the host's.
pub(super) fn result(rootfs: &Rootfs, record: &RootfsRecord) -> Option<v1::RootfsResult> {
    let RootfsRecord { image_digest, is_stale, made } = record.clone();
    let MadeRootfs { digest, size_bytes, converted } = made?;
    let Converted {
        manifest_digest,
        config_digest,
        platform,
        uuid,
        used_bytes,
        free_bytes,
        kernel_arguments,
        freed_bytes,
        secrets_removed,
    } = converted;
    let image = match &rootfs.source {
        RootfsImage::Reference(reference) => reference.clone(),
        RootfsImage::Build { .. } | RootfsImage::Upload(_) => String::new(),
    };
    Some(v1::RootfsResult {
        digest,
        size_bytes,
        artifact: rootfs.artifact(),
        metadata: Rootfs::metadata().to_owned(),
        image,
        image_digest,
        image_stale: is_stale,
        manifest_digest,
        config_digest,
        platform,
        uuid,
        used_bytes,
        free_bytes,
        init: match rootfs.init.name() {
            path if path.starts_with('/') => "custom".to_owned(),
            word => word.to_owned(),
        },
        kernel_arguments,
        freed_bytes,
        secrets_removed,
    })
}

pub(super) fn boot(record: &BootRecord) -> v1::BootRecord {
    let BootRecord { init: _, skipped, up, exit, console_tail } = record.clone();
    v1::BootRecord {
        skipped: skipped.map(|why| why.name().to_owned()).unwrap_or_default(),
        state: match up {
            None => "",
            Some(Up { degraded: true, .. }) => "degraded",
            Some(Up { degraded: false, .. }) => "up",
        }
        .to_owned(),
        by: up.map(|up| UpBy::name(up.by).to_owned()).unwrap_or_default(),
        up_after: up.and_then(|up| up.after?.try_into().ok()),
        exit: exit.map(exit_status),
        console_tail,
    }
}
