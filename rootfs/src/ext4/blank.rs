//! What is written to, made all zeros first.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom},
    os::unix::fs::{FileExt as _, FileTypeExt as _},
};

use rustix::{fs::FallocateFlags, io::Errno};

use super::write::WriteError;

/// The cheapest first: the device forgets what it held, or it, or the kernel for it, writes zeros.
const WAYS: [FallocateFlags; 2] = [
    FallocateFlags::PUNCH_HOLE.union(FallocateFlags::KEEP_SIZE),
    FallocateFlags::ZERO_RANGE.union(FallocateFlags::KEEP_SIZE),
];
static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

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
        erase(file, needed, &WAYS)?;
    } else {
        return Err(WriteError::Kind);
    }
    Ok(())
}

/// In the first way that the device knows; if it knows none, by hand.
fn erase(file: &File, length: u64, ways: &[FallocateFlags]) -> io::Result<()> {
    for way in ways {
        match rustix::fs::fallocate(file, *way, 0, length) {
            Ok(()) => return Ok(()),
            Err(Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    let mut at = 0;
    while at < length {
        let now = usize::try_from(length - at).unwrap_or(usize::MAX).min(ZEROS.len());
        file.write_all_at(&ZEROS[..now], at)?;
        at += now as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_leaves_zeros_and_what_stands_behind() {
        for ways in [&WAYS[..1], &WAYS[1..], &[]] {
            let file = tempfile::tempfile().unwrap();
            let length = ZEROS.len() + 4096;
            file.write_all_at(&vec![7; length + 4096], 0).unwrap();
            erase(&file, length as u64, ways).unwrap();
            let mut bytes = vec![1; length + 4096];
            file.read_exact_at(&mut bytes, 0).unwrap();
            assert!(bytes[..length].iter().all(|byte| *byte == 0), "{ways:?}");
            assert!(bytes[length..].iter().all(|byte| *byte == 7), "{ways:?}");
        }
    }
}
