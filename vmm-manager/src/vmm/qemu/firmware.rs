//! What runs before the kernel.
//!
//! We boot a kernel directly and have no disk, network or keyboard to boot from. QEMU's default,
//! `SeaBIOS`, looks for them all the same and waits for some: a third of a second until the kernel's
//! first instruction. qboot, which comes with QEMU, sets the chipset up, hands the ACPI tables over
//! and jumps into the kernel.

use std::path::PathBuf;

const QBOOT: &str = "qboot.rom";

/// Finds qboot in what `-L help` prints: a directory on each line.
pub(super) fn find(directories: &str) -> Option<PathBuf> {
    let candidates = directories.lines().map(|directory| PathBuf::from(directory).join(QBOOT));
    candidates.into_iter().find(|firmware| firmware.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_is_found_where_qemu_looks_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let shown = directory.path().display();
        assert_eq!(find(""), None);
        assert_eq!(find(&format!("/nonexistent\n{shown}\n")), None);
        let firmware = directory.path().join(QBOOT);
        std::fs::write(&firmware, b"rom").unwrap();
        assert_eq!(find(&format!("/nonexistent\n{shown}\n")), Some(firmware));
    }
}
