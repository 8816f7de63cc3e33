//! The command line of the converter, in its guest. Pure.

use crate::{
    disk::{IMAGE_SERIAL, by_serial, output_serial},
    job::{
        Rootfs,
        rootfs::{Ext4, Harden, METADATA_PATH, RootfsFormat, RootfsInit},
    },
};

/// Where the guest image's tools are unpacked.
pub const TOOLS: &str = "/run/kiln-tools";
/// Where layers are inflated: the job's disk, and not memory.
const SPOOL: &str = "/var/tmp";

pub fn converter(rootfs: &Rootfs) -> Vec<String> {
    let Rootfs {
        source: _on_its_disk,
        platform,
        format,
        packing,
        init,
        optimize,
        keep_locales,
        harden,
        check: _later,
        commands: _before,
    } = rootfs;
    let mut argv = vec![
        format!("{TOOLS}/kiln-rootfs"),
        by_serial(IMAGE_SERIAL),
        format!("--output={}", by_serial(&output_serial(0))),
        format!("--metadata={METADATA_PATH}"),
        format!("--spool={SPOOL}"),
        format!("--platform={platform}"),
        format!("--format={}", format.name()),
        format!("--compress={}", packing.name()),
        format!("--init={}", init.name()),
    ];
    if *init == RootfsInit::Direct {
        argv.push(format!("--init-program={TOOLS}/kiln-init"));
    }
    if !optimize.is_empty() {
        let words: Vec<_> = optimize.iter().map(|excess| excess.name()).collect();
        argv.push(format!("--optimize={}", words.join(",")));
        if !keep_locales.is_empty() {
            argv.push(format!("--keep-locale={}", keep_locales.join(",")));
        }
    }
    match harden {
        None => argv.push("--no-harden".to_owned()),
        Some(Harden { keep_secrets, setuid, capabilities, world_writable, devices }) => {
            argv.extend(keep_secrets.iter().map(|path| format!("--keep-secret={path}")));
            argv.push(format!("--setuid={}", setuid.name()));
            argv.push(format!("--capabilities={}", capabilities.name()));
            argv.push(format!("--world-writable={}", world_writable.name()));
            argv.push(format!("--devices={}", devices.name()));
        }
    }
    if let RootfsFormat::Ext4(Ext4 { size_bytes, limit_bytes, free, label }) = format {
        argv.extend(size_bytes.map(|bytes| format!("--size={bytes}")));
        argv.extend(limit_bytes.map(|bytes| format!("--size-limit={bytes}")));
        argv.extend(free.as_ref().map(|free| format!("--free={free}")));
        if !label.is_empty() {
            argv.push(format!("--label={label}"));
        }
    }
    argv
}

#[cfg(test)]
mod tests;
