//! What was asked for, word by word.

use super::*;
use crate::{
    job::rootfs::{DeviceRule, Excess, Packing, Rule},
    rootfs::samples,
};

fn of(change: impl FnOnce(&mut Rootfs)) -> Vec<String> {
    let mut rootfs = samples::rootfs();
    change(&mut rootfs);
    converter(&rootfs)
}

#[test]
fn what_nobody_chose_is_said_too() {
    assert_eq!(
        of(|_| {}),
        [
            "/run/kiln-tools/kiln-rootfs",
            "/dev/disk/by-id/virtio-kiln-image",
            "--output=/dev/disk/by-id/virtio-kiln-out-0",
            "--metadata=/run/kiln-rootfs.json",
            "--spool=/var/tmp",
            "--platform=linux/amd64",
            "--format=ext4",
            "--compress=none",
            "--init=direct",
            "--init-program=/run/kiln-tools/kiln-init",
            "--setuid=report",
            "--capabilities=report",
            "--world-writable=report",
            "--devices=keep",
        ]
    );
}

fn check(change: impl FnOnce(&mut Rootfs), has: &[&str], lacks: &[&str]) {
    let argv = of(change);
    for word in has {
        assert!(argv.iter().any(|one| one == word), "{word} in {argv:?}");
    }
    for start in lacks {
        assert!(!argv.iter().any(|one| one.starts_with(start)), "{start} in {argv:?}");
    }
}

#[test]
fn each_choice_is_one_word_that_no_other_reads() {
    check(|rootfs| rootfs.init = RootfsInit::Systemd, &["--init=systemd"], &["--init-program"]);
    let custom = RootfsInit::Custom("/sbin/my init".to_owned());
    check(|rootfs| rootfs.init = custom, &["--init=/sbin/my init"], &["--init-program"]);
    check(|rootfs| rootfs.harden = None, &["--no-harden"], &["--setuid", "--devices"]);
    check(
        |rootfs| {
            rootfs.harden = Some(Harden {
                keep_secrets: vec!["/a".to_owned(), "/--no-harden".to_owned()],
                setuid: Rule::Strip,
                devices: DeviceRule::Refuse,
                ..Harden::default()
            });
        },
        &["--keep-secret=/a", "--keep-secret=/--no-harden", "--setuid=strip", "--devices=refuse"],
        &["--no-harden"],
    );
    check(
        |rootfs| {
            rootfs.optimize = vec![Excess::Apt, Excess::Logs];
            rootfs.keep_locales = vec!["de".to_owned(), "pt_BR".to_owned()];
        },
        &["--optimize=apt,logs", "--keep-locale=de,pt_BR"],
        &[],
    );
    let ext4 = Ext4 {
        size_bytes: Some(1 << 20),
        limit_bytes: Some(1 << 21),
        free: None,
        label: "--x".to_owned(),
    };
    let sized = |rootfs: &mut Rootfs| rootfs.format = RootfsFormat::Ext4(ext4);
    check(sized, &["--size=1048576", "--size-limit=2097152", "--label=--x"], &["--free"]);
    let free = Ext4 { free: Some("64 M".to_owned()), ..Ext4::default() };
    let freed = |rootfs: &mut Rootfs| rootfs.format = RootfsFormat::Ext4(free);
    check(freed, &["--free=64 M"], &["--size"]);
    check(
        |rootfs| (rootfs.format, rootfs.packing) = (RootfsFormat::Tar, Packing::Zstd),
        &["--format=tar", "--compress=zstd"],
        &["--size", "--label", "--free"],
    );
}
