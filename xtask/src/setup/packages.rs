//! Debian's packages, by apt.

use std::{path::Path, process::Command};

use anyhow::{Context as _, ensure};

use crate::{
    privileges::{as_root, is_root},
    program::{is_installed, run},
    say,
};

/// Programs, and the packages that bring them.
const PROGRAMS: &[(&str, &str)] = &[
    (QEMU.0, QEMU.1),
    ("mmdebstrap", "mmdebstrap"),
    ("mke2fs", "e2fsprogs"),
    // The static one: what inits are tried on.
    ("busybox", "busybox-static"),
    // Tars are read by it too.
    ("bsdtar", "libarchive-tools"),
    // A clock that is wrong on purpose.
    ("faketime", "faketime"),
    ("dpkg-deb", "dpkg"),
    // Also a server, which builds clone from.
    ("git", "git"),
    ("gzip", "gzip"),
    ("ip", "iproute2"),
    // Of tests of what guests hear: a musl program, TLS of another hand.
    ("musl-gcc", "musl-tools"),
    ("nft", "nftables"),
    ("openssl", "openssl"),
    ("ps", "procps"),
    ("python3", "python3"),
    // A client that registries are tested with.
    ("skopeo", "skopeo"),
    // And one that reads images in its own way.
    ("ssh-agent", "openssh-client"),
    ("umoci", "umoci"),
    // Its parser is asked what units mean.
    ("systemd-analyze", "systemd"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
];

const QEMU: (&str, &str) = if cfg!(target_arch = "aarch64") {
    ("qemu-system-aarch64", "qemu-system-arm")
} else {
    ("qemu-system-x86_64", "qemu-system-x86")
};

/// Of these one must be there: the keys of the suite that guests are made of.
const KEYS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-trixie-stable.gpg",
    "/usr/share/keyrings/debian-archive-trixie-stable.pgp",
];

pub(super) fn install() -> anyhow::Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    say!("==> installing {}", missing.join(", "));
    ensure!(is_installed("apt-get"), "there is no apt-get to install them with");
    ensure!(is_root() || is_installed("sudo"), "this needs root: run it as root or install sudo");
    run(apt_get().arg("update")).context("fetching apt's package lists")?;
    run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(&missing))?;
    let still = self::missing();
    ensure!(still.is_empty(), "still missing after the installation: {}", still.join(", "));
    Ok(())
}

fn missing() -> Vec<&'static str> {
    let programs = PROGRAMS.iter().filter(|(program, _)| !is_installed(program));
    let mut packages: Vec<_> = programs.map(|(_, package)| *package).collect();
    // How an ordinary user makes a tree that root owns.
    if !is_root() && !is_installed("newuidmap") {
        packages.push("uidmap");
    }
    if !KEYS.iter().any(|key| Path::new(key).exists()) {
        packages.push("debian-archive-keyring");
    }
    packages
}

fn apt_get() -> Command {
    let mut command = as_root("env");
    // Somebody else's apt may be at work, as on a machine that has just been made.
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]);
    command.args(["-o", "DPkg::Lock::Timeout=300"]);
    command
}
