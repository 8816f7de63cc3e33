//! A guest without an operating system, of a few hundred bytes of our own.
//!
//! It runs wherever a hypervisor executes instructions at all, also where a real kernel does not:
//! what a VMM's driver does with its machine can be seen with it in milliseconds. An ELF file with
//! a PVH entry point: the VMM loads it to 1 MiB and jumps to it in 32-bit mode without paging, with
//! EBX at the start info, which leads to the command line and to the memory map.
//!
//! It writes [`GREETING`] to the first serial port, then does what the word `null=…` in its command
//! line says, which is an [`Errand`]; without one, it sleeps.
//!
//! How each VMM takes it:
//!
//! | errand | Cloud Hypervisor | QEMU (q35) |
//! |---|---|---|
//! | `null=off` | port 0x600: soft-off, the machine ends | port 0x604: the same |
//! | `null=reset` | port 0x600: would boot again; the driver ends it | port 0xcf9: ends (`-no-reboot`) |
//! | `null=fault` | a triple fault is a reset | the same |
//! | `null=spin`, `null=halt`, `null=tick`, `null=memory` | until it is ended | the same |

/// What it writes to its console first, with a line end.
pub const GREETING: &str = "null guest";

/// What it does afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Switches itself off.
    PowerOff,
    /// Resets itself.
    Reset,
    /// Keeps its processor busy for ever.
    Spin,
    /// Sleeps for ever.
    Halt,
    /// Brings its processor to a triple fault.
    Fault,
    /// Writes a dot to its console, and again after a moment, for ever.
    Tick,
    /// Writes to each page of its memory, then a dot to its console, and sleeps.
    Memory,
}

impl Errand {
    pub const ALL: [Self; 7] = [
        Self::PowerOff,
        Self::Reset,
        Self::Spin,
        Self::Halt,
        Self::Fault,
        Self::Tick,
        Self::Memory,
    ];

    /// The word for it in the guest's command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::PowerOff => "null=off",
            Self::Reset => "null=reset",
            Self::Spin => "null=spin",
            Self::Halt => "null=halt",
            Self::Fault => "null=fault",
            Self::Tick => "null=tick",
            Self::Memory => "null=memory",
        }
    }
}

/// Where it is loaded.
const BASE: u64 = 0x10_0000;
/// Of the code in the file: a page, as a loader expects it.
const OFFSET: u64 = 0x1000;
const HEADER_BYTES: u64 = 64;
const PROGRAM_HEADER_BYTES: u64 = 56;
const NOTE_OFFSET: u64 = HEADER_BYTES + 2 * PROGRAM_HEADER_BYTES;
/// `XEN_ELFNOTE_PHYS32_ENTRY`: where to jump in 32-bit mode.
const PHYS32_ENTRY: u32 = 18;

/// The kernel image.
pub fn image() -> Vec<u8> {
    let code = code();
    let size = u64::try_from(code.len()).unwrap_or(u64::MAX);
    let note = note();
    let note_size = u64::try_from(note.len()).unwrap_or(u64::MAX);
    let mut file = header();
    // PT_LOAD, readable, writable and executable; PT_NOTE.
    file.extend(program_header(1, 7, OFFSET, BASE, size, OFFSET));
    file.extend(program_header(4, 4, NOTE_OFFSET, 0, note_size, 4));
    file.extend(note);
    file.resize(usize::try_from(OFFSET).unwrap_or(usize::MAX), 0);
    file.extend(code);
    file
}

fn header() -> Vec<u8> {
    let mut header = vec![0x7f, b'E', b'L', b'F'];
    // 64-bit, little-endian, version 1, of no particular system.
    header.extend([2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // An executable, for x86-64, of version 1.
    header.extend(2_u16.to_le_bytes());
    header.extend(62_u16.to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    // The entry, the program headers, no section headers, no flags.
    header.extend(BASE.to_le_bytes());
    header.extend(HEADER_BYTES.to_le_bytes());
    header.extend(0_u64.to_le_bytes());
    header.extend(0_u32.to_le_bytes());
    // Sizes and numbers: this header, two program headers, no section header.
    for word in [64_u16, 56, 2, 0, 0, 0] {
        header.extend(word.to_le_bytes());
    }
    header
}

fn program_header(
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    size: u64,
    align: u64,
) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(kind.to_le_bytes());
    header.extend(flags.to_le_bytes());
    // Virtual and physical address, size in the file and in memory.
    for word in [offset, address, address, size, size, align] {
        header.extend(word.to_le_bytes());
    }
    header
}

fn note() -> Vec<u8> {
    let mut note = Vec::new();
    // The lengths of name and description, the type.
    for word in [4, 8, PHYS32_ENTRY] {
        note.extend(word.to_le_bytes());
    }
    note.extend(b"Xen\0");
    note.extend(BASE.to_le_bytes());
    note
}

fn code() -> Vec<u8> {
    let mut code = CODE.to_vec();
    // nothing: a table of no length.
    code.extend([0; 8]);
    // hello:
    code.extend(GREETING.bytes().chain(*b"\n\0"));
    // dot:
    code.extend(b".\0");
    code
}

/// The machine code with its assembly, which is loaded to [`BASE`].
#[rustfmt::skip]
const CODE: &[u8] = &[
    // start: Greets, then looks for the word in its command line.
    0xfa,                                        // cli
    0xbc, 0x00, 0x00, 0x11, 0x00,                // mov $0x110000,%esp
    0x89, 0xdf,                                  // mov %ebx,%edi
    0xbe, 0xfe, 0x00, 0x10, 0x00,                // mov $hello,%esi
    0xe8, 0xca, 0x00, 0x00, 0x00,                // call say
    0x8b, 0x77, 0x18,                            // mov 0x18(%edi),%esi
    0x85, 0xf6,                                  // test %esi,%esi
    0x74, 0x31,                                  // je halt
    // find:
    0x8a, 0x06,                                  // mov (%esi),%al
    0x84, 0xc0,                                  // test %al,%al
    0x74, 0x2b,                                  // je halt
    0x46,                                        // inc %esi
    0x81, 0x7e, 0xff, 0x6e, 0x75, 0x6c, 0x6c,    // cmpl $0x6c6c756e,-0x1(%esi)
    0x75, 0xf0,                                  // jne find
    0x80, 0x7e, 0x03, 0x3d,                      // cmpb $0x3d,0x3(%esi)
    0x75, 0xea,                                  // jne find
    0x8a, 0x46, 0x04,                            // mov 0x4(%esi),%al
    0x3c, 0x6f,                                  // cmp $0x6f,%al
    0x74, 0x17,                                  // je off
    0x3c, 0x72,                                  // cmp $0x72,%al
    0x74, 0x26,                                  // je reset
    0x3c, 0x73,                                  // cmp $0x73,%al
    0x74, 0x3a,                                  // je spin
    0x3c, 0x66,                                  // cmp $0x66,%al
    0x74, 0x2e,                                  // je fault
    0x3c, 0x74,                                  // cmp $0x74,%al
    0x74, 0x34,                                  // je tick
    0x3c, 0x6d,                                  // cmp $0x6d,%al
    0x74, 0x43,                                  // je memory
    // halt: Sleeps for ever: interrupts are off.
    0xf4,                                        // hlt
    0xeb, 0xfd,                                  // jmp halt
    // off: Soft-off: Cloud Hypervisor's sleep register, then q35's PM1a control.
    0x66, 0xba, 0x00, 0x06,                      // mov $0x600,%dx
    0xb0, 0x34,                                  // mov $0x34,%al
    0xee,                                        // out %al,(%dx)
    0x66, 0xba, 0x04, 0x06,                      // mov $0x604,%dx
    0x66, 0xb8, 0x00, 0x20,                      // mov $0x2000,%ax
    0x66, 0xef,                                  // out %ax,(%dx)
    0xeb, 0xea,                                  // jmp halt
    // reset: Cloud Hypervisor's reset register, then that of a PC.
    0x66, 0xba, 0x00, 0x06,                      // mov $0x600,%dx
    0xb0, 0x01,                                  // mov $0x1,%al
    0xee,                                        // out %al,(%dx)
    0x66, 0xba, 0xf9, 0x0c,                      // mov $0xcf9,%dx
    0xb0, 0x06,                                  // mov $0x6,%al
    0xee,                                        // out %al,(%dx)
    0xeb, 0xda,                                  // jmp halt
    // fault: An interrupt without a table to find its handler by: the processor gives up.
    0x0f, 0x01, 0x1d, 0xf6, 0x00, 0x10, 0x00,    // lidtl nothing
    0xcc,                                        // int3
    // spin:
    0xeb, 0xfe,                                  // jmp spin
    // tick: A dot, a moment, and so on.
    0xbe, 0x0a, 0x01, 0x10, 0x00,                // mov $dot,%esi
    0xe8, 0x58, 0x00, 0x00, 0x00,                // call say
    0xb9, 0x00, 0x00, 0x01, 0x00,                 // mov $0x10000,%ecx
    // wait:
    0xe2, 0xfe,                                  // loop wait
    0xeb, 0xed,                                  // jmp tick
    // memory: Writes to each page of the memory map's RAM above 2 MiB and below 4 GiB, then a dot.
    0x8b, 0x77, 0x28,                            // mov 0x28(%edi),%esi
    0x8b, 0x5f, 0x30,                            // mov 0x30(%edi),%ebx
    // entry:
    0x85, 0xdb,                                  // test %ebx,%ebx
    0x74, 0x36,                                  // je full
    0x83, 0x7e, 0x10, 0x01,                      // cmpl $0x1,0x10(%esi)
    0x75, 0x2a,                                  // jne next
    0x83, 0x7e, 0x04, 0x00,                      // cmpl $0x0,0x4(%esi)
    0x75, 0x24,                                  // jne next
    0x8b, 0x06,                                  // mov (%esi),%eax
    0x8b, 0x4e, 0x08,                            // mov 0x8(%esi),%ecx
    0x01, 0xc1,                                  // add %eax,%ecx
    0x3d, 0x00, 0x00, 0x20, 0x00,                // cmp $0x200000,%eax
    0x73, 0x05,                                  // jae touch
    0xb8, 0x00, 0x00, 0x20, 0x00,                // mov $0x200000,%eax
    // touch:
    0x39, 0xc8,                                  // cmp %ecx,%eax
    0x73, 0x0d,                                  // jae next
    0xc7, 0x00, 0x6b, 0x69, 0x6c, 0x6e,          // movl $0x6e6c696b,(%eax)
    0x05, 0x00, 0x10, 0x00, 0x00,                // add $0x1000,%eax
    0xeb, 0xef,                                  // jmp touch
    // next:
    0x83, 0xc6, 0x18,                            // add $0x18,%esi
    0x4b,                                        // dec %ebx
    0xeb, 0xc6,                                  // jmp entry
    // full:
    0xbe, 0x0a, 0x01, 0x10, 0x00,                // mov $dot,%esi
    0xe8, 0x05, 0x00, 0x00, 0x00,                // call say
    0xe9, 0x6e, 0xff, 0xff, 0xff,                // jmp halt
    // say: Writes the text at ESI to the serial port.
    0xac,                                        // lods %ds:(%esi),%al
    0x84, 0xc0,                                  // test %al,%al
    0x74, 0x14,                                  // je said
    0x88, 0xc4,                                  // mov %al,%ah
    0x66, 0xba, 0xfd, 0x03,                      // mov $0x3fd,%dx
    // ready:
    0xec,                                        // in (%dx),%al
    0xa8, 0x20,                                  // test $0x20,%al
    0x74, 0xfb,                                  // je ready
    0x66, 0xba, 0xf8, 0x03,                      // mov $0x3f8,%dx
    0x88, 0xe0,                                  // mov %ah,%al
    0xee,                                        // out %al,(%dx)
    0xeb, 0xe7,                                  // jmp say
    // said:
    0xc3,                                        // ret
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_code_speaks_of_is_where_it_says() {
        let code = code();
        let at = |address: u64| &code[usize::try_from(address - BASE).unwrap()..];
        assert_eq!(at(0x10_00f6)[..8], [0; 8]);
        assert_eq!(at(0x10_00fe)[..12], *b"null guest\n\0");
        assert_eq!(at(0x10_010a), b".\0");
    }

    #[test]
    fn the_image_is_what_a_loader_reads() {
        let image = image();
        let word = |at: usize| u64::from_le_bytes(image[at..at + 8].try_into().unwrap());
        assert_eq!(image[..4], *b"\x7fELF");
        // The first program header: offset, address and size of the code.
        assert_eq!((word(64 + 8), word(64 + 24)), (OFFSET, BASE));
        assert_eq!(usize::try_from(OFFSET + word(64 + 32)).unwrap(), image.len());
        // The note's description is the entry.
        assert_eq!(word(usize::try_from(NOTE_OFFSET).unwrap() + 16), BASE);
        assert_eq!(image[usize::try_from(OFFSET).unwrap()], 0xfa);
    }

    #[test]
    fn each_errand_has_a_word_that_the_code_tells_apart() {
        let letters: std::collections::HashSet<_> =
            Errand::ALL.iter().map(|errand| errand.word().as_bytes()[5]).collect();
        assert_eq!(letters.len(), Errand::ALL.len());
    }
}
