//! What the kernel looks at in a binary before it runs it.

/// Far beyond any real one; the kernel's own limit for its table of contents.
pub(super) const MAX_TABLE_BYTES: u64 = 64 * 1024;
pub(super) const HEADER_BYTES: u64 = 64;
/// The kernel's limit for a path.
pub(super) const MAX_INTERPRETER_BYTES: u64 = 4096;

const MAGIC: &[u8] = b"\x7fELF";
const EXECUTABLE: u16 = 2;
const SHARED: u16 = 3;
const INTERPRETER: u32 = 3;

/// Go's architectures, and what their kernels run: the machine's number, its word and its byte order.
const MACHINES: [(&str, &[Machine]); 8] = [
    ("amd64", &[Machine::new(62, true, true), Machine::new(3, false, true)]),
    ("arm64", &[Machine::new(183, true, true), Machine::new(40, false, true)]),
    ("386", &[Machine::new(3, false, true)]),
    ("arm", &[Machine::new(40, false, true)]),
    ("riscv64", &[Machine::new(243, true, true)]),
    ("ppc64le", &[Machine::new(21, true, true)]),
    ("s390x", &[Machine::new(22, true, false)]),
    ("loong64", &[Machine::new(258, true, true)]),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    number: u16,
    wide: bool,
    little: bool,
}

impl Machine {
    const fn new(number: u16, wide: bool, little: bool) -> Self {
        Self { number, wide, little }
    }

    /// An architecture that is not known here is not judged.
    pub(super) fn runs_on(self, architecture: &str) -> bool {
        let known = MACHINES.iter().find(|(name, _)| *name == architecture);
        known.is_none_or(|(_, machines)| machines.contains(&self))
    }

    /// In Go's name, where it has one.
    pub(super) fn name(self) -> String {
        let known = MACHINES.iter().find(|(_, machines)| machines.first() == Some(&self));
        known.map_or_else(|| format!("machine {}", self.number), |(name, _)| (*name).to_owned())
    }
}

/// The header, and where the table of contents stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) machine: Machine,
    pub(super) table: u64,
    entry_bytes: usize,
    entries: usize,
}

impl Header {
    /// `None` is no binary that a kernel would run.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(MAGIC) {
            return None;
        }
        let wide = match bytes.get(4)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let little = match bytes.get(5)? {
            1 => true,
            2 => false,
            _ => return None,
        };
        let reader = Reader { bytes, little };
        if !matches!(reader.short(16)?, EXECUTABLE | SHARED) {
            return None;
        }
        let machine = Machine { number: reader.short(18)?, wide, little };
        let (table, sizes) =
            if wide { (reader.long(32)?, 54) } else { (reader.word(28)?.into(), 42) };
        let entry_bytes = usize::from(reader.short(sizes)?);
        let entries = usize::from(reader.short(sizes + 2)?);
        let right = if wide { 56 } else { 32 };
        (entry_bytes == right && entries > 0).then_some(Self {
            machine,
            table,
            entry_bytes,
            entries,
        })
    }

    pub(super) fn table_bytes(&self) -> u64 {
        (self.entry_bytes as u64).saturating_mul(self.entries as u64)
    }

    /// Where the interpreter's path stands, and how long it is.
    pub(super) fn interpreter(&self, table: &[u8]) -> Option<(u64, u64)> {
        let entries = table.chunks_exact(self.entry_bytes);
        let entry = entries.map(|bytes| Reader { bytes, little: self.machine.little });
        let mut entry = entry.filter(|entry| entry.word(0) == Some(INTERPRETER));
        let entry = entry.next()?;
        if self.machine.wide {
            Some((entry.long(8)?, entry.long(32)?))
        } else {
            Some((entry.word(4)?.into(), entry.word(16)?.into()))
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl Reader<'_> {
    fn at<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut bytes: [u8; N] = self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()?;
        if !self.little {
            bytes.reverse();
        }
        Some(bytes)
    }

    fn short(&self, at: usize) -> Option<u16> {
        self.at(at).map(u16::from_le_bytes)
    }

    fn word(&self, at: usize) -> Option<u32> {
        self.at(at).map(u32::from_le_bytes)
    }

    fn long(&self, at: usize) -> Option<u64> {
        self.at(at).map(u64::from_le_bytes)
    }
}
