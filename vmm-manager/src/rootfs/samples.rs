//! Root filesystems for tests.

use crate::job::{
    Rootfs, SourceId,
    rootfs::{Ext4, Harden, Packing, RootfsFormat, RootfsImage, RootfsInit},
};

/// Of an upload, with all defaults, and not booted.
pub(crate) fn rootfs() -> Rootfs {
    Rootfs {
        source: RootfsImage::Upload(SourceId::generate()),
        platform: "linux/amd64".to_owned(),
        format: RootfsFormat::Ext4(Ext4::default()),
        packing: Packing::None,
        init: RootfsInit::Direct,
        optimize: Vec::new(),
        keep_locales: Vec::new(),
        harden: Some(Harden::default()),
        check: None,
        commands: Vec::new(),
    }
}
