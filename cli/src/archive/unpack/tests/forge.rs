//! Archives byte by byte, right or wrong.

use std::fmt::Write;

use tar::{EntryType, GnuExtSparseHeader, GnuSparseHeader, Header};

/// Of every member.
pub(super) const TIME: i64 = 1_000_000_000;

#[derive(Clone, Debug, Default)]
pub(super) struct Forge(pub(super) Vec<u8>);

impl Forge {
    pub(super) fn member(self, kind: u8, name: &str, link: &str, mode: u32, body: &[u8]) -> Self {
        self.sized(kind, name.as_bytes(), link.as_bytes(), mode, body.len() as u64).body(body)
    }

    pub(super) fn sized(
        mut self,
        kind: u8,
        name: &[u8],
        link: &[u8],
        mode: u32,
        size: u64,
    ) -> Self {
        self.0.extend_from_slice(&header(kind, name, link, mode, size));
        self
    }

    pub(super) fn body(mut self, body: &[u8]) -> Self {
        self.0.extend_from_slice(body);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// A file with holes, as the guest's agent writes it: segments, the last of which is empty and
    /// says where the file ends, are the caller's own. Their data comes in one piece.
    pub(super) fn holes(mut self, name: &str, map: &[(u64, u64)], size: u64, data: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(EntryType::GNUSparse);
        header.set_mode(0o644);
        header.set_uid(1000);
        header.set_gid(1000);
        header.set_mtime(TIME.cast_unsigned());
        header.set_size(map.iter().map(|(_, length)| length).sum());
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_real_size(size);
        let mut rest = fill(&mut gnu.sparse, map);
        gnu.set_is_extended(!rest.is_empty());
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        while !rest.is_empty() {
            let mut further = GnuExtSparseHeader::new();
            rest = fill(further.sparse_mut(), rest);
            further.set_is_extended(!rest.is_empty());
            self.0.extend_from_slice(further.as_bytes());
        }
        self.body(data)
    }

    pub(super) fn pax(self, records: &[(&str, &str)]) -> Self {
        let payload: String = records.iter().map(|(key, value)| record(key, value)).collect();
        self.member(b'x', "PaxHeaders/x", "", 0o644, payload.as_bytes())
    }

    pub(super) fn long_name(self, name: &str) -> Self {
        self.member(b'L', "././@LongLink", "", 0, format!("{name}\0").as_bytes())
    }

    pub(super) fn long_link(self, name: &str) -> Self {
        self.member(b'K', "././@LongLink", "", 0, format!("{name}\0").as_bytes())
    }

    pub(super) fn end(mut self) -> Vec<u8> {
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
pub(super) fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n").len();
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut text = length.to_string();
    writeln!(text, " {key}={value}").unwrap();
    text
}

pub(super) fn header(kind: u8, name: &[u8], link: &[u8], mode: u32, size: u64) -> [u8; 512] {
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

pub(super) fn sign(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn put(block: &mut [u8; 512], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}
