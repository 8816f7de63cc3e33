//! What does not go into the golden root.

use crate::architecture::HOST;

/// Directories that stay and whose content goes: mount points, and what the packages' scripts
/// leave behind, which differs from run to run.
const EMPTIED: &[&str] = &[
    "boot",
    "dev",
    "proc",
    "run",
    "sys",
    "tmp",
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
    "var/cache",
    "var/lib/apt",
    "var/log",
    "var/tmp",
];

/// Of these dpkg does not even unpack the content.
pub(super) const NEVER_UNPACKED: &[&str] = &[
    "usr/share/bash-completion",
    "usr/share/doc",
    "usr/share/gitweb",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/qemu",
];

/// Programs that dpkg does not unpack: one of them is a twentieth of the root.
pub(super) const EMULATORS: &str = "usr/bin/qemu-*";

/// What goes altogether.
const DROPPED: &[&str] = &[
    // The archive's mirror and proxy are this host's business, and the root has no apt.
    "etc/apt",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    // The host's, copied by mmdebstrap; the guest has its own.
    "etc/hostname",
    "etc/resolv.conf",
    // A machine's identity is no part of an image.
    "etc/machine-id",
    "var/lib/dbus/machine-id",
    // Essential to Debian's maintainer scripts, and none of them runs in a guest.
    "usr/bin/perl",
    "usr/share/perl",
    "usr/share/perl5",
    // Nobody but a person at a terminal calls these.
    "usr/bin/containerd-shim",
    "usr/bin/containerd-shim-runc-v1",
    "usr/bin/ctr",
    // Links to emulators, most of which are not there.
    "usr/libexec/qemu-binfmt",
    "usr/share/bash-completion",
    "usr/share/gitweb",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/qemu",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
];

/// Names that a program gives to what it kept of an older version of a file.
const BACKUPS: &[&str] = &[
    "etc/group-",
    "etc/gshadow-",
    "etc/passwd-",
    "etc/shadow-",
    "etc/subgid-",
    "etc/subuid-",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/statoverride-old",
    "var/lib/dpkg/status-old",
];

/// Whether an entry of the tree, named as in `usr/bin/git`, is left out.
pub(super) fn drops(path: &str) -> bool {
    let below =
        |directory: &str| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
    let library = path.strip_prefix("usr/lib/").and_then(|path| path.strip_prefix(HOST.triplet));
    EMPTIED.iter().any(|directory| below(directory))
        || DROPPED.iter().any(|dropped| path == *dropped || below(dropped))
        || BACKUPS.contains(&path)
        || path.starts_with("usr/bin/perl5.")
        || library
            .is_some_and(|library| library.starts_with("/gconv/") || library.starts_with("/perl"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_needs_stays_and_what_varies_goes() {
        let stays =
            ["", "dev", "var/log", "usr/bin/git", "etc/passwd", "usr/bin/ctrl", "etc/apt.d"];
        let goes = [
            "dev/null",
            "var/log/dpkg.log",
            "var/cache/ldconfig/aux-cache",
            "etc/apt",
            "etc/apt/apt.conf.d/99mmdebstrap",
            "etc/passwd-",
            "usr/bin/ctr",
            "usr/bin/perl5.40.1",
        ];
        assert_eq!(stays.into_iter().filter(|path| drops(path)).collect::<Vec<_>>(), [""; 0]);
        assert_eq!(goes.into_iter().filter(|path| !drops(path)).collect::<Vec<_>>(), [""; 0]);
        assert!(drops(&format!("usr/lib/{}/gconv/UTF-16.so", HOST.triplet)));
    }
}
