//! A tar, entry by entry.
//!
//! The archive is read by the `tar` crate and made by us: it may come from anywhere, and what it names
//! is made below one directory or not at all. Nothing is written through a link: what stands where a
//! file is to be made is removed first, unless it is a directory.

use std::path::Path;

use rustix::fs::{ResolveFlags, fstatvfs};
use tar::Archive;

use super::{
    super::{failure::Failure, tree::Tree},
    directories::Directories,
    entry::Entry,
    source::Source,
};

/// What describes one entry. Names are far shorter; a sparse file may have a long map.
const MAX_DESCRIPTION_BYTES: usize = 4 * 1024 * 1024;

/// Returns how much was read.
pub(super) fn unpack(source: Source<'_>, path: &Path) -> Result<u64, Failure> {
    let failed = |errno: rustix::io::Errno| Failure::Path {
        path: path.to_owned(),
        what: "cannot be opened as a directory",
        source: errno.into(),
    };
    // Below the root there is no way out.
    let resolve =
        if path == Path::new("/") { ResolveFlags::IN_ROOT } else { ResolveFlags::BENEATH };
    let mut tree = Tree::open(path, resolve | ResolveFlags::NO_MAGICLINKS).map_err(failed)?;
    let room = fstatvfs(tree.root()).map_err(failed)?;
    let room = room.f_blocks.saturating_mul(room.f_frsize);

    let allowance = source.allowance();
    let mut directories = Directories::default();
    let mut archive = Archive::new(source);
    let mut entries = archive.entries().map_err(|error| Failure::of_archive(&error))?;
    loop {
        // The last entry's content was read to its end: whatever is read now describes the next.
        allowance.limit(MAX_DESCRIPTION_BYTES);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(|error| Failure::of_archive(&error))?;
        allowance.lift();
        if let Some(described) = Entry::describe(&mut entry)? {
            if described.length > room {
                // Also what is nothing but holes: reading them would take as long.
                return Err(Failure::Full { name: described.name() });
            }
            described.make(&mut entry, &mut tree, &mut directories)?;
        }
        std::io::copy(&mut entry, &mut std::io::sink())
            .map_err(|error| Failure::of_archive(&error))?;
    }
    directories.set(&tree);
    Ok(archive.into_inner().position())
}
