//! The image as a root filesystem, and a microVM that boots it.

use std::path::Path;

use super::Client;
use crate::{program, say};

impl Client<'_> {
    /// Its file lies beside `archive`, an OCI layout in a tar.
    pub(super) fn boot_an_image(&self, archive: &Path) -> anyhow::Result<()> {
        let file = archive.with_extension("ext4");
        say!("==> kiln rootfs image.tar -o image.ext4\n");
        program::run(self.command(&["rootfs"]).arg(archive).arg("--output").arg(&file))?;
        self.show_the_newest_job()?;
        say!("==> kiln boot image.ext4\n");
        program::run(self.command(&["boot"]).arg(&file))?;
        say!("");
        Ok(())
    }
}
