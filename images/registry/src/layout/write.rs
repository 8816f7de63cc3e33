//! Headers of a tar that is always the same for the same content: no times, no owners.

use bytes::Bytes;
use tar::{EntryType, Header};

use super::archive::BLOCK;

/// What an archive ends with.
pub(crate) const END: Bytes = Bytes::from_static(&[0; 2 * BLOCK]);

pub(crate) fn file(path: &str, size: u64) -> Bytes {
    header(path, size, EntryType::Regular, 0o644)
}

pub(crate) fn directory(path: &str) -> Bytes {
    header(path, 0, EntryType::Directory, 0o755)
}

/// After so much content.
pub(crate) fn padding(size: u64) -> Bytes {
    END.slice(..padding_length(size))
}

pub(super) fn padding_length(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    (BLOCK - over) % BLOCK
}

fn header(path: &str, size: u64, kind: EntryType, mode: u32) -> Bytes {
    // That of GNU has sizes beyond 8 GiB, which everybody reads.
    let mut header = Header::new_gnu();
    header.set_path(path).expect("paths of a layout are short");
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    Bytes::copy_from_slice(header.as_bytes())
}
