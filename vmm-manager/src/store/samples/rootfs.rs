//! Root filesystems and machines that boot them, and what became of them.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{durations, text};
use crate::job::{
    Boot, BootCheck, BootRecord, BootSource, ExitStatus, JobId, Probe, Rootfs, RootfsRecord,
    SourceId, Up, UpBy,
    rootfs::{
        Converted, DeviceRule, Excess, Ext4, Harden, MadeRootfs, Packing, RootfsFormat,
        RootfsImage, RootfsInit, Rule, Skipped,
    },
};

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..3)
}

fn probes() -> impl Strategy<Value = Option<Probe>> {
    option::of(prop_oneof![texts().prop_map(Probe::Command), (1..=u16::MAX).prop_map(Probe::Port)])
}

fn images() -> impl Strategy<Value = RootfsImage> {
    prop_oneof![
        text().prop_map(RootfsImage::Reference),
        text().prop_map(|export| RootfsImage::Build { build: JobId::generate(), export }),
        Just(()).prop_map(|()| RootfsImage::Upload(SourceId::generate())),
    ]
}

fn formats() -> impl Strategy<Value = RootfsFormat> {
    let size = || option::of(any::<u64>());
    let ext4 = (size(), size(), option::of(text()), text()).prop_map(
        |(size_bytes, limit_bytes, free, label)| {
            RootfsFormat::Ext4(Ext4 { size_bytes, limit_bytes, free, label })
        },
    );
    prop_oneof![ext4, Just(RootfsFormat::Tar)]
}

fn inits() -> impl Strategy<Value = RootfsInit> {
    prop_oneof![
        Just(RootfsInit::Direct),
        Just(RootfsInit::Systemd),
        Just(RootfsInit::None),
        text().prop_map(RootfsInit::Custom),
    ]
}

fn policies() -> impl Strategy<Value = Option<Harden>> {
    let rules = (select(Rule::ALL), select(Rule::ALL), select(Rule::ALL), select(DeviceRule::ALL));
    option::of((texts(), rules).prop_map(
        |(keep_secrets, (setuid, capabilities, world_writable, devices))| Harden {
            keep_secrets,
            setuid,
            capabilities,
            world_writable,
            devices,
        },
    ))
}

pub(super) fn asked() -> impl Strategy<Value = Rootfs> {
    let check = (probes(), durations()).prop_map(|(probe, timeout)| BootCheck { probe, timeout });
    let optimize = (vec(select(Excess::ALL), 0..3), texts());
    let rest = (texts(), option::of(check));
    (images(), text(), formats(), select(Packing::ALL), inits(), optimize, policies(), rest)
        .prop_map(|(source, platform, format, packing, init, optimize, harden, rest)| Rootfs {
            source,
            platform,
            format,
            packing,
            init,
            optimize: optimize.0,
            keep_locales: optimize.1,
            harden,
            check: rest.1,
            commands: rest.0,
        })
}

pub(super) fn boots() -> impl Strategy<Value = Boot> {
    let source = prop_oneof![
        Just(()).prop_map(|()| BootSource::Upload(SourceId::generate())),
        text().prop_map(|artifact| BootSource::Artifact { job: JobId::generate(), artifact }),
    ];
    (source, text(), texts(), probes()).prop_map(|(source, init, arguments, probe)| Boot {
        source,
        init,
        arguments,
        probe,
    })
}

pub(super) fn made() -> impl Strategy<Value = RootfsRecord> {
    let converted = (vec(text(), 4), any::<[u64; 3]>(), texts(), any::<u32>()).prop_map(
        |(mut words, bytes, kernel_arguments, secrets_removed)| Converted {
            manifest_digest: words.remove(0),
            config_digest: words.remove(0),
            platform: words.remove(0),
            uuid: words.remove(0),
            used_bytes: bytes[0],
            free_bytes: bytes[1],
            kernel_arguments,
            freed_bytes: bytes[2],
            secrets_removed,
        },
    );
    let made = (text(), any::<u64>(), converted)
        .prop_map(|(digest, size_bytes, converted)| MadeRootfs { digest, size_bytes, converted });
    (text(), any::<bool>(), option::of(made))
        .prop_map(|(image_digest, is_stale, made)| RootfsRecord { image_digest, is_stale, made })
}

pub(super) fn booted() -> impl Strategy<Value = BootRecord> {
    let up = (any::<bool>(), select(UpBy::ALL), option::of(durations()))
        .prop_map(|(degraded, by, after)| Up { degraded, by, after });
    let exit = (0..256_i32).prop_map(ExitStatus::code);
    (text(), option::of(select(Skipped::ALL)), option::of(up), option::of(exit), text()).prop_map(
        |(init, skipped, up, exit, console_tail)| BootRecord {
            init,
            skipped,
            up,
            exit,
            console_tail,
        },
    )
}
