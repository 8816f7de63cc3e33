//! Archives that ask for more than there is: a typed error, and no more memory than a MiB.

use std::io::{self, Read};

use kiln_archive::InvalidMap;
use kiln_forge::{header, record};

use super::{memory::peak_of, *};

const MEMORY: usize = 1 << 20;

/// `part` again and again, so long that nobody has so much.
struct Again {
    part: Vec<u8>,
    at: usize,
    left: u64,
}

impl Again {
    fn new(part: Vec<u8>, times: u64) -> Self {
        let left = part.len() as u64 * times;
        Self { part, at: 0, left }
    }
}

impl Read for Again {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let count = buffer.len().min(self.part.len() - self.at).min(left);
        buffer[..count].copy_from_slice(&self.part[self.at..self.at + count]);
        self.at = (self.at + count) % self.part.len();
        self.left -= count as u64;
        Ok(count)
    }
}

fn check(what: &str, bomb: impl Read, is_right: impl FnOnce(&ReadError) -> bool) {
    let place = Place::new();
    let limits = Limits { entries: 2000, depth: 16, bytes: 1 << 20, holes: 1 << 30 };
    let (unpacked, memory) = peak_of(|| unpack(bomb, &place.dest(), limits, Links::Inside, drop));
    match unpacked {
        Err(UnpackError::Read(error)) => assert!(is_right(&error), "{what}: {error:?}"),
        other => panic!("{what}: {other:?}"),
    }
    assert!(memory < MEMORY, "{what}: {memory} bytes of memory");
    let blocks = |path: &Path| path.metadata().unwrap().blocks() * 512;
    let on_disk: u64 =
        fs::read_dir(place.dest()).unwrap().map(|e| blocks(&e.unwrap().path())).sum();
    // Directories take a block each.
    assert!(on_disk <= limits.bytes + limits.entries * 4096, "{what}: {on_disk} bytes on disk");
    place.nothing_outside();
}

fn pax(payload: &str) -> Vec<u8> {
    Forge::default().member(b'x', "x", "", 0o644, payload.as_bytes()).0
}

#[test]
fn files_larger_than_the_limit_are_refused_before_a_byte_of_them() {
    let too_large = |error: &ReadError| matches!(error, ReadError::TooLarge { .. });
    let zeros = || io::repeat(0).take(1 << 30);
    let huge = header(b'0', b"huge", b"", 0o644, i64::MAX as u64);
    check("8 EiB", huge.chain(zeros()), too_large);
    let size =
        [pax(&record("size", "9223372036854775807")), header(b'0', b"h", b"", 0, 0).to_vec()];
    check("8 EiB by PAX", size.concat().chain(zeros()), too_large);
    let files = Forge::default().member(b'0', "same", "", 0o644, &[0; 4096]).0;
    check("many files", Again::new(files, 10_000), too_large);
    let just = header(b'0', b"just", b"", 0o644, (1 << 20) + 1);
    check("one byte more", just.chain(zeros()), too_large);
}

#[test]
fn holes_have_an_end() {
    let too_hollow = |error: &ReadError| matches!(error, ReadError::TooHollow { .. });
    let hole = |size: u64| Forge::default().holes("hole", &[(size, 0)], size, b"").0;
    check("8 EiB", &hole(i64::MAX as u64)[..], too_hollow);
    check("one byte more", &hole((1 << 30) + 1)[..], too_hollow);
    check("many holes", Again::new(hole(1 << 24), 100_000), too_hollow);
    let realsize = record("GNU.sparse.realsize", "9223372036854775807");
    check("PAX holes", &pax(&realsize)[..], |error| matches!(error, ReadError::Pax { .. }));
    let map = [(0, 1 << 40), (1 << 41, 0)];
    let huge = Forge::default().holes("huge", &map, 1 << 41, b"").0;
    check("data", huge.chain(io::repeat(0).take(1 << 30)), |error| {
        matches!(error, ReadError::TooLarge { .. })
    });
}

#[test]
fn maps_have_an_end() {
    let map: Vec<_> = (0..1000).map(|number| (number * 4096, 512)).collect();
    let file = Forge::default().holes("same", &map, 999 * 4096 + 512, &vec![1; 512_000]).0;
    check("many segments", Again::new(file, 10), |error| {
        matches!(error, ReadError::TooMany { .. })
    });
    // Whole and right, but without an end.
    let map: Vec<_> = (0..1_000_000).map(|number| (number * 1024, 512)).collect();
    let endless = Forge::default().holes("endless", &map, 1 << 40, b"").0;
    check("endless map", &endless[..], |error| {
        matches!(error, ReadError::Map { source: InvalidMap::TooMany, .. })
    });
    let same = [&endless[..512], &endless[512..1024].repeat(1000)].concat();
    check("the same block", &same[..], |error| {
        matches!(error, ReadError::Map { source: InvalidMap::Order, .. })
    });
}

#[test]
fn ten_million_members_are_too_many() {
    let too_many = |error: &ReadError| matches!(error, ReadError::TooMany { .. });
    for (what, kind) in [("files", b'0'), ("directories", b'5'), ("fifos", b'6')] {
        let member = header(kind, b"same", b"", 0o755, 0).to_vec();
        check(what, Again::new(member, 10_000_000), too_many);
    }
}

#[test]
fn nesting_has_an_end() {
    let is_path = |error: &ReadError| matches!(error, ReadError::Path { .. });
    let deep = "d/".repeat(17);
    check("17 deep", &header(b'5', deep.as_bytes(), b"", 0o755, 0)[..], is_path);
    let deep = Forge::default().long_name(&"d/".repeat(2000)).member(b'5', "d", "", 0, b"").0;
    check("2,000 deep", &deep[..], is_path);
}

#[test]
fn extensions_have_an_end() {
    let too_long = |error: &ReadError| matches!(error, ReadError::ExtensionTooLong { .. });
    for (what, kind) in [("PAX", b'x'), ("global PAX", b'g'), ("name", b'L'), ("link", b'K')] {
        let head = header(kind, b"x", b"", 0, 1 << 40);
        check(what, head.chain(io::repeat(b'x').take(1 << 30)), too_long);
    }
    let comment = record("comment", "x").into_bytes();
    let global = Forge::default().sized(b'g', b"g", b"", 0, comment.len() as u64).body(&comment).0;
    check("endless global headers", Again::new(global, 100_000), |error| {
        matches!(error, ReadError::Truncated)
    });
    let records: String =
        (0..15_000).map(|number| record(&format!("SCHILY.xattr.{number}"), "")).collect();
    assert!(records.len() > 256 << 10);
    check("many records", &pax(&records)[..], too_long);
}
