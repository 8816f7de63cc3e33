//! By what the kernel knows a program's architecture: the first bytes of its ELF file.

const BYTES: usize = 20;

/// What Debian's own registrations say is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    /// 64 bits, little-endian, version 1, and a program by its type and its machine.
    pub(super) fn magic(self) -> [u8; BYTES] {
        let machine = match self {
            Self::X86_64 => 0x3e,
            Self::Aarch64 => 0xb7,
        };
        let mut magic = [0; BYTES];
        magic[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        (magic[16], magic[18]) = (2, machine);
        magic
    }

    /// Which bits of the magic count. The ABI does not, and types 2 and 3 (position-independent) are
    /// both programs. Some linkers of x86-64 wrote other things after the byte order.
    pub(super) fn mask(self) -> [u8; BYTES] {
        let mut mask = [0xff; BYTES];
        match self {
            Self::X86_64 => mask[5..8].copy_from_slice(&[0xfe, 0xfe, 0xfc]),
            Self::Aarch64 => mask[7] = 0,
        }
        mask[16] = 0xfe;
        mask
    }
}
