//! Root filesystems beyond what every job has: where their images are from, what the converter is
//! told, and what it says.
//!
//! ```text
//! image ─▶ fetch ─▶ a disk ─▶ kiln-rootfs, in its guest ─▶ a disk, and what it says (converter)
//!                   rootfs.json ◀── metadata ◀── what the host saw, and apart what it was told
//! ```

pub mod arguments;
pub mod converter;
pub mod fetch;
pub mod metadata;
pub mod origin;
#[cfg(test)]
pub(crate) mod samples;
