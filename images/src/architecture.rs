//! What Debian and the loader call this machine's architecture.

/// An architecture that guest images can be made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Architecture {
    /// As in package names and indexes.
    pub(crate) debian: &'static str,
    /// The directory of shared libraries below `/usr/lib`.
    pub(crate) triplet: &'static str,
    /// The dynamic loader in that directory.
    pub(crate) loader: &'static str,
    /// What runs the other one's programs, in `/usr/bin`.
    pub(crate) emulator: &'static str,
}

/// This machine's: an image is made where it is used.
pub(crate) const HOST: Architecture = if cfg!(target_arch = "aarch64") {
    Architecture {
        debian: "arm64",
        triplet: "aarch64-linux-gnu",
        loader: "ld-linux-aarch64.so.1",
        emulator: "qemu-x86_64",
    }
} else {
    Architecture {
        debian: "amd64",
        triplet: "x86_64-linux-gnu",
        loader: "ld-linux-x86-64.so.2",
        emulator: "qemu-aarch64",
    }
};
