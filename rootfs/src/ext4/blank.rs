//! What is written to, made all zeros first.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom},
    os::unix::fs::{FileExt as _, FileTypeExt as _},
};

use rustix::{fs::FallocateFlags, io::Errno};

use super::{output::is_zero, write::WriteError};

/// The device forgets what it held, or says that it can't. What other ways the kernel knows write zeros to
/// all of it, also where there are some: what a sparse file of a host keeps is then no longer sparse.
const FORGET: FallocateFlags = FallocateFlags::PUNCH_HOLE.union(FallocateFlags::KEEP_SIZE);
const CHUNK: usize = 1 << 20;

/// Makes the first `needed` bytes zeros, and a regular file just as long.
pub(super) fn make(file: &File, needed: u64) -> Result<(), WriteError> {
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        file.set_len(0)?;
        file.set_len(needed)?;
    } else if kind.is_block_device() {
        let mut end = file;
        let device = end.seek(SeekFrom::End(0))?;
        if device < needed {
            return Err(WriteError::Device { device, needed });
        }
        match rustix::fs::fallocate(file, FORGET, 0, needed) {
            Err(Errno::OPNOTSUPP) => erase(file, needed)?,
            forgotten => forgotten.map_err(io::Error::from)?,
        }
    } else {
        return Err(WriteError::Kind);
    }
    Ok(())
}

/// Writes zeros to where there are none.
fn erase(file: &File, length: u64) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut at = 0;
    while at < length {
        let now = usize::try_from(length - at).unwrap_or(CHUNK).min(CHUNK);
        let chunk = &mut chunk[..now];
        file.read_exact_at(chunk, at)?;
        if !is_zero(chunk) {
            chunk.fill(0);
            file.write_all_at(chunk, at)?;
        }
        at += now as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn what_is_erased_is_zeros_and_what_stands_behind_stays() {
        let file = tempfile::tempfile().unwrap();
        let length = CHUNK + 4096;
        file.write_all_at(&vec![7; length + 4096], 0).unwrap();
        erase(&file, length as u64).unwrap();
        let mut bytes = vec![1; length + 4096];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes[..length].iter().all(|byte| *byte == 0));
        assert!(bytes[length..].iter().all(|byte| *byte == 7));
    }

    #[test]
    fn zeros_are_not_written_over_zeros() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(8 * CHUNK as u64).unwrap();
        file.write_all_at(&[7; 4096], 0).unwrap();
        erase(&file, 8 * CHUNK as u64).unwrap();
        let taken = file.metadata().unwrap().blocks() * 512;
        assert!(taken <= CHUNK as u64, "{taken}");
    }
}
