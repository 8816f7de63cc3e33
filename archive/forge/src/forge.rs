//! One archive, member by member.

use tar::{EntryType, GnuExtSparseHeader, GnuSparseHeader, Header};

/// Of every member, in seconds.
pub const TIME: i64 = 1_000_000_000;

#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Forge(pub Vec<u8>, usize);

impl Forge {
    pub fn member(self, kind: u8, name: &str, link: &str, mode: u32, body: &[u8]) -> Self {
        self.sized(kind, name.as_bytes(), link.as_bytes(), mode, body.len() as u64).body(body)
    }

    pub fn sized(mut self, kind: u8, name: &[u8], link: &[u8], mode: u32, size: u64) -> Self {
        self.1 = self.0.len();
        self.0.extend_from_slice(&header(kind, name, link, mode, size));
        self
    }

    /// Writes into the last header, at a place of it.
    pub fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        let header = &mut self.0[self.1..self.1 + 512];
        header[at..at + bytes.len()].copy_from_slice(bytes);
        sign(header);
        self
    }

    pub fn owner(self, user: u32, group: u32) -> Self {
        self.put(108, format!("{user:07o}").as_bytes()).put(116, format!("{group:07o}").as_bytes())
    }

    pub fn device(self, kind: u8, name: &str, major: u32, minor: u32) -> Self {
        let device = self.member(kind, name, "", 0o660, b"");
        device
            .put(329, format!("{major:07o}").as_bytes())
            .put(337, format!("{minor:07o}").as_bytes())
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.0.extend_from_slice(body);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// A file with holes, as the guest's agent writes it: segments, the last of which is empty and
    /// says where the file ends, are the caller's own. Their data comes in one piece.
    pub fn holes(mut self, name: &str, map: &[(u64, u64)], size: u64, data: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(EntryType::GNUSparse);
        header.set_mode(0o644);
        header.set_uid(1000);
        header.set_gid(1000);
        header.set_mtime(TIME.cast_unsigned());
        header.set_size(map.iter().map(|(_, length)| length).sum());
        let gnu = header.as_gnu_mut().expect("it was made as one");
        gnu.set_real_size(size);
        let mut rest = fill(&mut gnu.sparse, map);
        gnu.set_is_extended(!rest.is_empty());
        header.set_cksum();
        self.1 = self.0.len();
        self.0.extend_from_slice(header.as_bytes());
        while !rest.is_empty() {
            let mut further = GnuExtSparseHeader::new();
            rest = fill(further.sparse_mut(), rest);
            further.set_is_extended(!rest.is_empty());
            self.0.extend_from_slice(further.as_bytes());
        }
        self.body(data)
    }

    pub fn pax(self, records: &[(&str, &str)]) -> Self {
        let records: Vec<_> = records.iter().map(|(key, value)| (*key, value.as_bytes())).collect();
        self.pax_bytes(&records)
    }

    /// The same with values that need not be text.
    pub fn pax_bytes(self, records: &[(&str, &[u8])]) -> Self {
        let payload: Vec<u8> =
            records.iter().flat_map(|(key, value)| record_bytes(key, value)).collect();
        self.member(b'x', "PaxHeaders/x", "", 0o644, &payload)
    }

    pub fn long_name(self, name: &str) -> Self {
        self.member(b'L', "././@LongLink", "", 0, format!("{name}\0").as_bytes())
    }

    pub fn long_link(self, name: &str) -> Self {
        self.member(b'K', "././@LongLink", "", 0, format!("{name}\0").as_bytes())
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

/// Returns what did not fit.
fn fill<'a>(slots: &mut [GnuSparseHeader], map: &'a [(u64, u64)]) -> &'a [(u64, u64)] {
    let (now, later) = map.split_at(map.len().min(slots.len()));
    for ((offset, length), slot) in now.iter().zip(slots) {
        slot.set_offset(*offset);
        slot.set_length(*length);
    }
    later
}

/// A record of a PAX header, whose length counts itself.
pub fn record(key: &str, value: &str) -> String {
    String::from_utf8_lossy(&record_bytes(key, value.as_bytes())).into_owned()
}

fn record_bytes(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + " =\n".len();
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

pub fn header(kind: u8, name: &[u8], link: &[u8], mode: u32, size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    put(&mut block, 0, &name[..name.len().min(100)]);
    put(&mut block, 100, format!("{mode:07o}").as_bytes());
    put(&mut block, 108, b"0001750");
    put(&mut block, 116, b"0001750");
    if size > 0o777_7777_7777 {
        block[124] = 0x80;
        put(&mut block, 128, &size.to_be_bytes());
    } else {
        put(&mut block, 124, format!("{size:011o}").as_bytes());
    }
    put(&mut block, 136, format!("{TIME:011o}").as_bytes());
    block[156] = kind;
    put(&mut block, 157, &link[..link.len().min(100)]);
    let magic: &[u8] =
        if matches!(kind, b'L' | b'K' | b'S') { b"ustar  \0" } else { b"ustar\x0000" };
    put(&mut block, 257, magic);
    sign(&mut block);
    block
}

pub fn sign(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn put(block: &mut [u8; 512], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}
