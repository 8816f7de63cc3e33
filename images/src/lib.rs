//! Guest images: what a microVM boots from, made once and named by digest.
//!
//! An image is a kernel, an initramfs with the agent, a golden root, and tools; [`build()`] makes one of
//! Debian packages, [`GuestImage::open`] is how everybody else finds its parts.

mod architecture;
mod archive;
mod base;
mod build;
mod cache;
mod command_line;
mod cpio;
mod deb;
mod ext4;
mod further_modules;
mod golden_root;
mod guest_image;
mod initramfs;
mod kernel;
mod ledger;
mod manifest;
mod package_list;
mod program;
mod recipe;
mod static_program;
mod tools;

use kiln_digest as digest;

pub use self::{
    build::{BuildError, BuildRequest, build},
    cpio::{Cpio, TooLarge},
    further_modules::{FurtherModulesError, MODULES_ORDER, further_modules},
    guest_image::{GuestImage, ImageFile, OpenError},
    manifest::{FileEntry, KernelEntry, Manifest, Package},
    program::{interrupt, is_interrupted},
    static_program::StaticProgramError,
    tools::ToolsError,
};
