//! Disks that Cloud Hypervisor does not take for what they are.
//!
//! Though it is told that a disk is raw, it looks at its first bytes and its last sector, opens it
//! as what it finds, and then refuses to boot because that is not what it was told. A guest may
//! have written these bytes, so it must not come to that: such a disk is refused before anything is
//! started, by comparing the same few bytes and nothing else.

use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

const SECTOR_BYTES: u64 = 512;
const QCOW: &[u8] = b"QFI\xfb";
const VHDX: &[u8] = b"vhdxfile";
/// At the beginning of the last sector.
const VHD: &[u8] = b"conectix";

/// What the disk at `path` looks like to Cloud Hypervisor, when that is something else than raw.
pub(super) fn like(path: &Path) -> io::Result<Option<&'static str>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other(format!("{} is no file", path.display())));
    }
    let mut first = [0; 8];
    let mut last = [0; 8];
    if let Some(end) = metadata.len().checked_sub(SECTOR_BYTES) {
        file.read_exact_at(&mut first, 0)?;
        file.read_exact_at(&mut last, end)?;
    }
    let like = [("a qcow image", &first, QCOW), ("a VHDX image", &first, VHDX)];
    let like = like.into_iter().chain([("a VHD image", &last, VHD)]);
    Ok(like.into_iter().find(|(_, bytes, magic)| bytes.starts_with(magic)).map(|(name, ..)| name))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::like;

    fn check(length: usize, at: usize, bytes: &[u8], expected: Option<&str>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk");
        let mut content = vec![0; length];
        content[at..at + bytes.len()].copy_from_slice(bytes);
        fs::write(&path, content).unwrap();
        assert_eq!(like(&path).unwrap(), expected, "{bytes:?} at {at} of {length}");
    }

    #[test]
    fn what_the_vmm_would_open_otherwise_is_found() {
        check(4096, 0, b"QFI\xfb\0\0\0\x02", Some("a qcow image"));
        check(4096, 0, b"vhdxfile", Some("a VHDX image"));
        check(4096, 4096 - 512, b"conectix", Some("a VHD image"));
        check(512, 0, b"conectix", Some("a VHD image"));
        check(4096, 0, b"conectix", None);
        check(4096, 0, b"KDMV", None);
        check(4096, 1, b"QFI\xfb", None);
        check(4096, 0, b"vhdxfil", None);
        check(8, 0, b"QFI\xfb", None);
        check(0, 0, b"", None);
    }
}
