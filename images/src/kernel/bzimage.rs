//! The ELF kernel inside an x86 bzImage.
//!
//! A bzImage is a real-mode setup part of `setup_sects` sectors after the boot sector, followed by
//! a protected-mode part; from boot protocol 2.08 on the header says where in that the compressed
//! kernel lies. Its last four bytes are the length of what comes out.

use crate::program::{Program, ProgramError};

const SECTOR: usize = 512;
const SETUP_SECTORS: usize = 0x1f1;
const MAGIC: usize = 0x202;
const PROTOCOL: usize = 0x206;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;

/// Who decompresses what starts so.
const FORMATS: [(&[u8], &str); 3] = [
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz"),
    (&[0x1f, 0x8b], "gzip"),
];

/// Why a bzImage has no ELF kernel for us.
#[derive(Debug, thiserror::Error)]
pub enum BzImageError {
    #[error("the header is cut short or points outside of the file")]
    Truncated,
    #[error("boot protocol {0:#06x} is older than 2.08")]
    Protocol(u16),
    #[error("a payload that starts with {0:02x?} is in no known format")]
    Format(Vec<u8>),
    #[error("{found} bytes came out of the payload and it promises {expected}")]
    Length { found: usize, expected: u32 },
    #[error("what came out of the payload is no ELF file")]
    NotElf,
    #[error(transparent)]
    Program(#[from] ProgramError),
}

/// The uncompressed kernel, or none when this is no bzImage (other architectures have none).
pub(super) fn vmlinux(image: &[u8]) -> Result<Option<Vec<u8>>, BzImageError> {
    let Some((payload, length)) = payload(image)? else { return Ok(None) };
    let known = FORMATS.iter().find(|(magic, _)| payload.starts_with(magic));
    let format = || BzImageError::Format(payload.iter().copied().take(6).collect());
    let (_, program) = known.ok_or_else(format)?;
    let kernel = Program::new(program).arg("-dc").input(payload.to_vec()).output()?;
    if u32::try_from(kernel.len()) != Ok(length) {
        return Err(BzImageError::Length { found: kernel.len(), expected: length });
    }
    if !kernel.starts_with(b"\x7fELF") {
        return Err(BzImageError::NotElf);
    }
    Ok(Some(kernel))
}

/// The compressed kernel and the length that it comes to.
fn payload(image: &[u8]) -> Result<Option<(&[u8], u32)>, BzImageError> {
    if image.get(MAGIC..MAGIC + 4) != Some(b"HdrS") {
        return Ok(None);
    }
    let word = |offset| -> Result<u32, BzImageError> {
        let bytes = image.get(offset..offset + 4).ok_or(BzImageError::Truncated)?;
        Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| BzImageError::Truncated)?))
    };
    let size = |offset| usize::try_from(word(offset)?).map_err(|_| BzImageError::Truncated);
    let protocol = image.get(PROTOCOL..PROTOCOL + 2).ok_or(BzImageError::Truncated)?;
    let protocol = u16::from_le_bytes([protocol[0], protocol[1]]);
    if protocol < 0x0208 {
        return Err(BzImageError::Protocol(protocol));
    }
    // Zero means four, for the sake of very old kernels.
    let setup_sectors = match image[SETUP_SECTORS] {
        0 => 4,
        count => usize::from(count),
    };
    let start = (setup_sectors + 1) * SECTOR + size(PAYLOAD_OFFSET)?;
    let end = start.checked_add(size(PAYLOAD_LENGTH)?).ok_or(BzImageError::Truncated)?;
    let payload = image.get(start..end).ok_or(BzImageError::Truncated)?;
    let (payload, length) = payload.split_last_chunk().ok_or(BzImageError::Truncated)?;
    Ok(Some((payload, u32::from_le_bytes(*length))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bzImage around `content`, gzipped.
    fn image(content: &[u8]) -> Vec<u8> {
        let mut payload = Program::new("gzip").arg("-c").input(content.to_vec()).output().unwrap();
        payload.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        let mut image = vec![0; 2 * SECTOR];
        image[SETUP_SECTORS] = 1;
        image[MAGIC..MAGIC + 4].copy_from_slice(b"HdrS");
        image[PROTOCOL..PROTOCOL + 2].copy_from_slice(&0x020f_u16.to_le_bytes());
        image[PAYLOAD_OFFSET..][..4].copy_from_slice(&16_u32.to_le_bytes());
        let length = u32::try_from(payload.len()).unwrap();
        image[PAYLOAD_LENGTH..][..4].copy_from_slice(&length.to_le_bytes());
        image.extend([0; 16]);
        image.extend(payload);
        image
    }

    #[test]
    fn what_was_packed_comes_out() {
        let kernel = [b"\x7fELF".to_vec(), vec![7; 100_000]].concat();
        assert_eq!(vmlinux(&image(&kernel)).unwrap(), Some(kernel));
    }

    #[test]
    fn other_kinds_of_kernels_are_left_alone() {
        assert_eq!(vmlinux(b"MZ").unwrap(), None);
        assert_eq!(vmlinux(&[0; 4096]).unwrap(), None);
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        let whole = image(b"\x7fELF and the rest");
        assert!(matches!(vmlinux(&image(b"no kernel")), Err(BzImageError::NotElf)));
        assert!(matches!(vmlinux(&whole[..whole.len() - 1]), Err(BzImageError::Truncated)));
        assert!(matches!(vmlinux(&whole[..0x210]), Err(BzImageError::Truncated)));
        let mut longer = whole.clone();
        *longer.last_mut().unwrap() = 1;
        assert!(matches!(vmlinux(&longer), Err(BzImageError::Length { found: 17, .. })));
        let mut unknown = whole.clone();
        unknown[3 * SECTOR + 16 - SECTOR] = 0;
        assert!(matches!(vmlinux(&unknown), Err(BzImageError::Format(_))));
    }
}
