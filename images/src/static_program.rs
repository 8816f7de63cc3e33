//! A static program of a guest, looked at before the guest trips over it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Why a file cannot be run where there is nothing else.
#[derive(Debug, thiserror::Error)]
pub enum StaticProgramError {
    #[error("{path} could not be read")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path} is no 64-bit ELF program: `cargo xtask image` builds what an image needs")]
    NotElf { path: PathBuf },
    #[error(
        "{path} wants a dynamic loader, of which a guest has none for it: build it with \
         `-C target-feature=+crt-static`, as `cargo xtask image` does"
    )]
    Dynamic { path: PathBuf },
}

/// Reads a static program.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, StaticProgramError> {
    let path = path.to_path_buf();
    match fs::read(&path) {
        Ok(content) => match wants_loader(&content) {
            Some(false) => Ok(content),
            Some(true) => Err(StaticProgramError::Dynamic { path }),
            None => Err(StaticProgramError::NotElf { path }),
        },
        Err(source) => Err(StaticProgramError::Unreadable { path, source }),
    }
}

/// Whether a program header names an interpreter; none when this is no ELF file that we know.
fn wants_loader(elf: &[u8]) -> Option<bool> {
    /// `\x7fELF`, 64 bits, little-endian.
    const MAGIC: &[u8] = b"\x7fELF\x02\x01";
    const INTERPRETER: &[u8] = &3_u32.to_le_bytes();
    let half = |offset: usize| {
        let bytes = elf.get(offset..offset + 2)?;
        Some(usize::from(u16::from_le_bytes([bytes[0], bytes[1]])))
    };
    let offset = elf.get(0x20..0x28)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))?;
    let (offset, size, count) = (usize::try_from(offset).ok()?, half(0x36)?, half(0x38)?);
    if !elf.starts_with(MAGIC) || size == 0 {
        return None;
    }
    let mut headers = elf.get(offset..)?.chunks(size).take(count);
    Some(headers.any(|header| header.starts_with(INTERPRETER)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file of program headers of these types.
    fn elf(kinds: &[u32]) -> Vec<u8> {
        let mut elf = vec![0; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[0x20] = 64;
        elf[0x36] = 56;
        elf[0x38] = u8::try_from(kinds.len()).unwrap();
        for kind in kinds {
            elf.extend(kind.to_le_bytes());
            elf.extend([0; 52]);
        }
        elf
    }

    #[test]
    fn a_static_program_has_no_interpreter() {
        assert_eq!(wants_loader(&elf(&[1, 1, 2])), Some(false));
        assert_eq!(wants_loader(&elf(&[6, 3, 1])), Some(true));
    }

    #[test]
    fn what_is_no_program_is_told_apart() {
        for bytes in [b"#!/bin/sh\nexit 0\n".as_slice(), b"", &elf(&[1])[..40]] {
            assert_eq!(wants_loader(bytes), None);
        }
        let error = read(Path::new("/dev/null")).unwrap_err();
        assert!(error.to_string().starts_with("/dev/null is no"), "{error}");
    }
}
