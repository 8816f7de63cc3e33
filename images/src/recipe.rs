//! What a guest image is made of.

use crate::digest::{Digest, Hasher};
use std::io::Write as _;

pub(crate) const SUITE: &str = "trixie";

/// What the golden root needs beyond the essential packages, and why.
pub(crate) const PACKAGES: &[&str] = &[
    "busybox-static",
    "ca-certificates",
    "containerd",
    "docker-buildx",
    "docker.io",
    "e2fsprogs",
    "git",
    "iproute2",
    "kmod",
    // mke2fs loads it when it is given a tar, and only suggests it.
    "libarchive13t64",
    // Essential has no mount(8).
    "mount",
    "nftables",
    // Of a build's private keys: ssh-agent and ssh-add. Git fetches with ssh, too.
    "openssh-client",
    // Of its emulators one goes into the root: that of the architecture that this one is not.
    "qemu-user",
    "runc",
    "socat",
    "xz-utils",
];

/// What the kernel cannot do without on its way to the agent; what they depend on comes along.
/// PCI, virtio, the console, ext4 and devtmpfs are built in.
pub(crate) const MODULES: &[&str] = &[
    "virtio_blk",
    "overlay",
    // Loaded where the machine has such a device.
    "virtio_net",
    "vmw_vsock_virtio_transport",
    // The power button arrives as an input event.
    "button",
    "evdev",
];

/// Modules for what few jobs ask for: in the golden root, and in no guest's memory until then. None
/// may need a module that is not loaded at boot.
pub(crate) const MODULES_ON_DEMAND: &[&str] = &["binfmt_misc"];

/// Nothing in the image is younger: 9 August 2025, the day trixie was released.
pub(crate) const EPOCH: u64 = 1_754_697_600;

/// A change to any of these files may change the image.
const SOURCES: &[&str] = &[
    include_str!("recipe.rs"),
    include_str!("architecture.rs"),
    include_str!("archive.rs"),
    include_str!("base.rs"),
    include_str!("deb.rs"),
    include_str!("ext4.rs"),
    include_str!("golden_root.rs"),
    include_str!("golden_root/mmdebstrap.rs"),
    include_str!("golden_root/modules.rs"),
    include_str!("golden_root/pruning.rs"),
    include_str!("golden_root/rewrite.rs"),
    include_str!("kernel.rs"),
    include_str!("kernel/bzimage.rs"),
    include_str!("kernel/modules.rs"),
];

/// Names what this code makes of given packages: another digest, another image.
pub(crate) fn digest() -> Digest {
    let mut hasher = Hasher::default();
    for source in SOURCES.iter().chain([&std::env::consts::ARCH]) {
        // Writing to a hasher cannot fail.
        let _ = hasher.write_all(Digest::of(source.as_bytes()).to_string().as_bytes());
    }
    hasher.finish()
}
