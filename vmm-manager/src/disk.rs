//! The disks of one machine.
//!
//! Each is a raw file below the VM's directory, which the guest finds by its virtio serial. The
//! scratch disk gets an empty ext4 from the host before the guest sees it, as has the disk of a build's engine: the one file
//! system that the host makes. An output disk is a row of zeros that the guest writes a stream of bytes to. A
//! source disk is the file of an upload, which the guest can only read, as are an image that the host
//! has fetched, the guest image's tools, and a root filesystem that is to be booted. What a guest may have
//! written is never opened as anything but bytes.

mod scratch;
mod set;

use self::scratch::format;
pub(crate) use self::set::allocate;
pub use self::{
    scratch::ScratchError,
    set::{DiskError, Disks},
};

/// What the guest finds its golden root by.
pub const ROOT_SERIAL: &str = "kiln-root";
/// What the guest finds its scratch disk by.
pub const SCRATCH_SERIAL: &str = "kiln-scratch";

/// What the guest finds the disk of its build engine's state by.
pub const ENGINE_SERIAL: &str = "kiln-engine";

/// What the guest of a converter finds its image by.
pub const IMAGE_SERIAL: &str = "kiln-image";
/// And the guest image's tools.
pub const TOOLS_SERIAL: &str = "kiln-tools";
/// What a guest finds the root filesystem by that it is to boot.
pub const BOOT_SERIAL: &str = "kiln-boot";

/// The node that an agent makes for a disk.
pub fn by_serial(serial: &str) -> String {
    format!("/dev/disk/by-id/virtio-{serial}")
}

/// Of the `index`th source, from 0.
pub fn source_serial(index: usize) -> String {
    format!("kiln-in-{index}")
}

/// Of the `index`th output, from 0.
pub fn output_serial(index: usize) -> String {
    format!("kiln-out-{index}")
}
