//! Modules of the guest's kernel that are in the golden root.

use std::io::{self, Write as _};

use tar::{Builder, EntryType, Header};

use crate::{digest::Hasher, kernel::Module, ledger::Ledger, recipe::EPOCH};

const DIRECTORY: &str = "usr/lib/modules";

/// They are `/usr/lib/modules/RELEASE/NAME.ko`, decompressed: a guest's agent loads them itself.
#[derive(Debug)]
pub(crate) struct KernelModules<'a> {
    pub(crate) release: &'a str,
    pub(crate) modules: &'a [Module],
}

impl KernelModules<'_> {
    /// Adds them to a root's tar, which may have the directories.
    pub(super) fn append(
        &self,
        output: &mut Builder<impl io::Write>,
        ledger: &mut Ledger,
    ) -> io::Result<()> {
        if self.modules.is_empty() {
            return Ok(());
        }
        let own = format!("{DIRECTORY}/{}", self.release);
        for directory in [DIRECTORY, &own] {
            if !ledger.has(directory) {
                append(EntryType::Directory, 0o755, directory, &[], output, ledger)?;
            }
        }
        self.modules.iter().try_for_each(|Module { file, content }| {
            let path = format!("{own}/{file}");
            append(EntryType::Regular, 0o644, &path, content, output, ledger)
        })
    }
}

fn append(
    kind: EntryType,
    mode: u32,
    path: &str,
    content: &[u8],
    output: &mut Builder<impl io::Write>,
    ledger: &mut Ledger,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(EPOCH);
    header.set_size(content.len() as u64);
    output.append_data(&mut header, path, content)?;
    let mut hasher = Hasher::default();
    hasher.write_all(content)?;
    ledger.enter(path.to_owned(), hasher.finish());
    Ok(())
}
