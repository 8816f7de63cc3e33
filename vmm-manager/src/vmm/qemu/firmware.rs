//! What runs before the kernel, and what QEMU puts beside it: files that come with QEMU.
//!
//! We boot a kernel directly and have no disk, network or keyboard to boot from. QEMU's default,
//! `SeaBIOS`, looks for them all the same and waits for some: a third of a second until the kernel's
//! first instruction. qboot, which comes with QEMU, sets the chipset up, hands the ACPI tables over
//! and jumps into the kernel.

use std::path::{Path, PathBuf};

const QBOOT: &str = "qboot.rom";
const SEABIOS: &str = "bios-256k.bin";
/// Of the interrupt controller, and what loads a kernel: an ELF one by PVH, or a bzImage.
const ALWAYS: [&str; 3] = ["kvmvapic.bin", "pvh.bin", "linuxboot_dma.bin"];

/// Found once; QEMU opens them by name in the directories where they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Firmware {
    /// `None` means QEMU's own default.
    boot: Option<PathBuf>,
    files: Vec<PathBuf>,
}

impl Firmware {
    /// In what `-L help` prints: a directory on each line, in the order of QEMU's search. What is
    /// not there is QEMU's to complain of, should it need it.
    pub(super) fn find(directories: &str) -> Self {
        // As they really are: QEMU names them from the place of its own program.
        let directories: Vec<PathBuf> =
            directories.lines().filter_map(|line| Path::new(line).canonicalize().ok()).collect();
        let find = |name: &str| {
            let mut candidates = directories.iter().map(|directory| directory.join(name));
            candidates.find(|candidate| candidate.is_file())
        };
        let boot = find(QBOOT);
        let bios = boot.clone().or_else(|| find(SEABIOS));
        Self { boot, files: bios.into_iter().chain(ALWAYS.into_iter().filter_map(find)).collect() }
    }

    pub(super) fn boot(&self) -> Option<&Path> {
        self.boot.as_deref()
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }

    #[cfg(test)]
    pub(super) fn new(boot: &str) -> Self {
        Self { boot: Some(boot.into()), files: vec![boot.into()] }
    }

    /// Where QEMU has to look for them.
    pub(super) fn directories(&self) -> Vec<&Path> {
        let mut directories: Vec<&Path> = self.files().filter_map(Path::parent).collect();
        let mut seen = Vec::new();
        directories.retain(|directory| {
            let fresh = !seen.contains(directory);
            seen.push(*directory);
            fresh
        });
        directories
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_is_found_where_qemu_looks_for_it() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let put = |directory: &Path, name: &str| {
            let file = directory.canonicalize().unwrap().join(name);
            std::fs::write(&file, b"rom").unwrap();
            file
        };
        assert_eq!(Firmware::find(""), Firmware::default());
        let (a, b) = (one.path().display(), two.path().display());
        let said =
            format!("/nonexistent\n{a}/../{}\n{b}\n", one.path().file_name().unwrap().display());
        assert_eq!(Firmware::find(&said), Firmware::default());

        let pvh = put(two.path(), "pvh.bin");
        let bios = put(two.path(), SEABIOS);
        let found = Firmware::find(&said);
        assert_eq!(found.boot(), None);
        assert_eq!(found.files().collect::<Vec<_>>(), [&bios, &pvh]);
        assert_eq!(found.directories(), [two.path().canonicalize().unwrap()]);

        let qboot = put(one.path(), QBOOT);
        let found = Firmware::find(&said);
        assert_eq!(found.boot(), Some(qboot.as_path()));
        assert_eq!(found.files().collect::<Vec<_>>(), [&qboot, &pvh]);
        assert_eq!(found.directories().len(), 2);
    }
}
