//! The host's randomness goes into the guest's pool, and the pool's generator starts anew from it:
//! clones of one snapshot would otherwise go on with the same stream.

use std::{io, os::fd::AsRawFd};

use rustix::fs::{Mode, OFlags};
use tonic::Status;

const MIN_BYTES: usize = 32;
const MAX_BYTES: usize = 512;

/// `_IOW('R', 3, int[2])` and `_IO('R', 7)`.
const RNDADDENTROPY: u64 = 0x4008_5203;
const RNDRESEEDCRNG: u64 = 0x5207;

/// The kernel's `struct rand_pool_info` with room for what we take.
#[repr(C)]
pub(super) struct Entropy {
    credit_bits: libc::c_int,
    buffer_bytes: libc::c_int,
    buffer: [u8; MAX_BYTES],
}

impl TryFrom<&[u8]> for Entropy {
    type Error = Status;

    fn try_from(entropy: &[u8]) -> Result<Self, Status> {
        if !(MIN_BYTES..=MAX_BYTES).contains(&entropy.len()) {
            return Err(Status::invalid_argument(format!(
                "entropy has {} bytes and must have {MIN_BYTES} to {MAX_BYTES}",
                entropy.len()
            )));
        }
        let mut buffer = [0; MAX_BYTES];
        buffer[..entropy.len()].copy_from_slice(entropy);
        let bytes = libc::c_int::try_from(entropy.len()).unwrap_or(0);
        Ok(Self { credit_bits: bytes * 8, buffer_bytes: bytes, buffer })
    }
}

impl Entropy {
    pub(super) fn add(&self) -> Result<(), Status> {
        credit(self).map_err(|error| Status::internal(format!("entropy cannot be added: {error}")))
    }
}

fn credit(info: &Entropy) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let random = rustix::fs::open("/dev/urandom", flags, Mode::empty())?;
    // SAFETY: the kernel reads the two integers and `buffer_bytes` bytes after them, and `buffer`
    // has as many.
    let added = unsafe { libc::ioctl(random.as_raw_fd(), RNDADDENTROPY as _, info) };
    if added != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: takes no argument.
    match unsafe { libc::ioctl(random.as_raw_fd(), RNDRESEEDCRNG as _) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_neither_too_little_nor_too_much() {
        for length in [0, MIN_BYTES - 1, MAX_BYTES + 1, 100_000] {
            assert!(Entropy::try_from(&*vec![7; length]).is_err(), "{length}");
        }
        for length in [MIN_BYTES, 33, MAX_BYTES] {
            let info = Entropy::try_from(&*vec![7; length]).unwrap();
            assert_eq!(info.credit_bits, i32::try_from(length).unwrap() * 8);
            assert!(info.buffer[..length].iter().all(|byte| *byte == 7));
            assert!(info.buffer[length..].iter().all(|byte| *byte == 0));
        }
    }
}
