//! The PAX header: what the block before a member has no room for.
//!
//! Each record is its own length, a space, a key, `=`, any bytes, a line feed. Attributes go under
//! `SCHILY.xattr.`, which GNU tar, libarchive, Python and Go read.

use super::header::{Header, LONG_NUMBER, NAME, SHORT_NUMBER};
use crate::tree::{Metadata, Time};

#[derive(Default)]
pub(super) struct Records {
    /// Names stand as they are, whatever they are encoded in. Has to be the first record.
    binary: bool,
    records: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Records {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let mut records = Self::default();
        for (key, number) in [("uid", metadata.user), ("gid", metadata.group)] {
            if u64::from(number) > SHORT_NUMBER {
                records.add(key, number.to_string());
            }
        }
        let fits = u64::try_from(metadata.modified.seconds).is_ok_and(|s| s <= LONG_NUMBER);
        if !fits || metadata.modified.nanoseconds != 0 {
            records.add("mtime", decimal(metadata.modified));
        }
        for (name, value) in &metadata.attributes {
            records.add(attribute(name), value.to_vec());
        }
        records
    }

    pub(super) fn name(&mut self, header: &mut Header, name: &[u8]) {
        header.name(name);
        if name.len() > NAME {
            self.text("path", name);
        }
    }

    pub(super) fn target(&mut self, header: &mut Header, target: &[u8]) {
        header.target(target);
        if target.len() > NAME {
            self.text("linkpath", target);
        }
    }

    pub(super) fn size(&mut self, header: &mut Header, size: u64) {
        header.size(size);
        if size > LONG_NUMBER {
            self.add("size", size.to_string());
        }
    }

    /// A file with holes, as GNU tar's version 1.0 has it: a reader that does not know of it finds the
    /// map and the bytes under a name that tells.
    pub(super) fn sparse(&mut self, header: &mut Header, name: &[u8], size: u64) {
        let last = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
        header.name(&[b"GNUSparseFile.0/", last].concat());
        self.add("GNU.sparse.major", "1");
        self.add("GNU.sparse.minor", "0");
        self.text("GNU.sparse.name", name);
        self.add("GNU.sparse.realsize", size.to_string());
    }

    /// None if there is nothing to say.
    pub(super) fn encoded(&self) -> Option<Vec<u8>> {
        if self.records.is_empty() {
            return None;
        }
        let mut bytes = Vec::new();
        if self.binary {
            encode(&mut bytes, b"hdrcharset", b"BINARY");
        }
        for (key, value) in &self.records {
            encode(&mut bytes, key, value);
        }
        Some(bytes)
    }

    fn text(&mut self, key: &str, text: &[u8]) {
        self.binary |= !text.is_ascii();
        self.add(key, text);
    }

    fn add(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.records.push((key.into(), value.into()));
    }
}

/// The length counts its own digits.
fn encode(bytes: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    bytes.extend_from_slice(length.to_string().as_bytes());
    bytes.push(b' ');
    bytes.extend_from_slice(key);
    bytes.push(b'=');
    bytes.extend_from_slice(value);
    bytes.push(b'\n');
}

/// Seconds and nanoseconds add up; before 1970 the number is written from zero downwards.
fn decimal(time: Time) -> String {
    let (seconds, nanoseconds) = (i128::from(time.seconds), i128::from(time.nanoseconds));
    let total = seconds * 1_000_000_000 + nanoseconds;
    let sign = if total < 0 { "-" } else { "" };
    let (whole, part) = (total.abs() / 1_000_000_000, total.abs() % 1_000_000_000);
    if part == 0 {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{part:09}").trim_end_matches('0').to_owned()
}

/// A key ends at the first `=`, so GNU tar writes one in an attribute's name as `%3D`. Names that
/// nobody would read differently stay as they are.
fn attribute(name: &[u8]) -> Vec<u8> {
    let mut key = b"SCHILY.xattr.".to_vec();
    let has = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    if !(has(b"=") || has(b"%3D") || has(b"%25")) {
        key.extend_from_slice(name);
        return key;
    }
    for byte in name {
        match byte {
            b'=' => key.extend_from_slice(b"%3D"),
            b'%' => key.extend_from_slice(b"%25"),
            other => key.push(*other),
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        for size in 0..1200 {
            let mut bytes = Vec::new();
            encode(&mut bytes, b"k", &vec![b'v'; size]);
            let digits = bytes.split(|byte| *byte == b' ').next().unwrap();
            assert_eq!(std::str::from_utf8(digits).unwrap().parse(), Ok(bytes.len()), "{size}");
        }
    }

    #[test]
    fn times_are_decimal() {
        let check = |seconds, nanoseconds, expected: &str| {
            assert_eq!(decimal(Time { seconds, nanoseconds }), expected);
        };
        check(0, 1, "0.000000001");
        check(5, 500_000_000, "5.5");
        check(-1, 0, "-1");
        check(-2, 500_000_000, "-1.5");
        check(-1, 999_999_999, "-0.000000001");
        check(i64::MAX, 0, "9223372036854775807");
        check(i64::MIN, 0, "-9223372036854775808");
    }

    #[test]
    fn names_of_attributes_keep_their_equals_signs() {
        let check = |name: &[u8], expected: &[u8]| assert_eq!(attribute(name), expected);
        check(b"user.a", b"SCHILY.xattr.user.a");
        check(b"user.a=b", b"SCHILY.xattr.user.a%3Db");
        check(b"user.100%", b"SCHILY.xattr.user.100%");
        check(b"user.a%3Db", b"SCHILY.xattr.user.a%253Db");
    }
}
