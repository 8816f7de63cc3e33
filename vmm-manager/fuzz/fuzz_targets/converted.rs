//! Whatever a guest says of the root filesystem that it made: a claim within its bounds, of which the host's
//! own document can be made, or a typed error.
#![no_main]

use kiln_vmm_manager::{
    job::{
        BootRecord, Rootfs, RootfsRecord, SourceId,
        rootfs::{Ext4, MadeRootfs, Packing, RootfsFormat, RootfsImage, RootfsInit},
    },
    rootfs::{
        converter::{self, Claim},
        metadata,
    },
};
use libfuzzer_sys::fuzz_target;

const DISK_BYTES: u64 = 1 << 30;

fuzz_target!(|said: &[u8]| {
    let Ok(Claim { digest, size, converted }) = converter::read(said, DISK_BYTES) else { return };
    assert!(size > 0 && size <= DISK_BYTES);
    let words: usize = converted.kernel_arguments.iter().map(String::len).sum();
    assert!(words <= said.len() && converted.init().len() <= said.len());
    let rootfs = Rootfs {
        source: RootfsImage::Upload(SourceId::generate()),
        platform: "linux/amd64".to_owned(),
        format: RootfsFormat::Ext4(Ext4::default()),
        packing: Packing::None,
        init: RootfsInit::Direct,
        optimize: Vec::new(),
        keep_locales: Vec::new(),
        harden: None,
        check: None,
        commands: Vec::new(),
    };
    let made = MadeRootfs { digest: digest.to_string(), size_bytes: size, converted };
    let (record, boot) = (RootfsRecord::default(), BootRecord::default());
    let document = metadata::document(&rootfs, &record, &made, &boot, said);
    let document = document.expect("what was read is a document");
    assert!(document.len() <= said.len() + 4096, "it has grown to {} bytes", document.len());
});
