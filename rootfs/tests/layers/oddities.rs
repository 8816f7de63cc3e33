//! Names and files that are rare, and that an image may have.

use kiln_forge::Forge;
use kiln_rootfs::{Compression, Kind, Limits};

use crate::converted::{layers, layers_with};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("oddities::names_are_bytes", names_are_bytes),
    ("oddities::files_with_holes_keep_them", files_with_holes_keep_them),
    ("oddities::sizes_beyond_octal_digits_are_read", sizes_beyond_octal_digits_are_read),
];

fn names_are_bytes() {
    let archive = Forge::default()
        .pax_bytes(&[("path", b"new\nline\xff\x01")])
        .member(b'0', "x", "", 0o644, b"")
        .pax_bytes(&[("hdrcharset", b"BINARY"), ("linkpath", b"\xfe\n")])
        .member(b'2', "link", "", 0o777, b"")
        .member(b'0', &"n".repeat(100), "", 0o644, b"")
        .long_name(&"l".repeat(255))
        .member(b'0', "x", "", 0o644, b"")
        .end();
    let converted = layers(&[archive]).unwrap();
    let paths: Vec<_> = converted.tree().walk().map(|(path, _)| path).collect();
    let expected: [&[u8]; 5] = [b"", b"link", &[b'l'; 255], b"new\nline\xff\x01", &[b'n'; 100]];
    assert_eq!(paths, expected);
    let link = converted.tree().child(kiln_rootfs::Tree::ROOT, b"link").unwrap();
    assert_eq!(converted.tree().node(link).kind, Kind::Symlink(b"\xfe\n"[..].into()));
}

fn files_with_holes_keep_them() {
    let data = vec![7; 1024];
    let map = [(512, 512), (1 << 16, 512), (1 << 20, 0)];
    let numbers = "512,512,65536,512,1048576,0";
    let lines = format!("3\n{}\n", numbers.replace(',', "\n")).into_bytes();
    let body = [&lines[..], &vec![0; 512 - lines.len()], &data].concat();
    let size = (1 << 20).to_string();
    let archive = Forge::default()
        .holes("gnu", &map, 1 << 20, &data)
        .pax(&[
            ("GNU.sparse.size", &size),
            ("GNU.sparse.numblocks", "3"),
            ("GNU.sparse.name", "pax-0.1"),
            ("GNU.sparse.map", numbers),
        ])
        .member(b'0', "x", "", 0o644, &data)
        .pax(&[
            ("GNU.sparse.major", "1"),
            ("GNU.sparse.minor", "0"),
            ("GNU.sparse.name", "pax-1.0"),
            ("GNU.sparse.realsize", &size),
        ])
        .member(b'0', "x", "", 0o644, &body)
        .member(b'1', "linked", "pax-1.0", 0o644, b"")
        .end();
    for compression in [Compression::Plain, Compression::Gzip] {
        let all = std::slice::from_ref(&archive);
        let converted = layers_with(all, compression, &Limits::default()).unwrap();
        let reading = converted.reading();
        assert_eq!(converted.paths(), ["gnu", "linked", "pax-0.1", "pax-1.0"]);
        for name in ["pax-0.1", "pax-1.0", "linked"] {
            assert_eq!(reading.fact(name).kind, reading.fact("gnu").kind);
        }
        let root = kiln_rootfs::Tree::ROOT;
        let node = converted.tree().node(converted.tree().child(root, b"pax-1.0").unwrap());
        let Kind::File(content) = &node.kind else { panic!("{node:?}") };
        let pieces: Vec<_> = content.pieces.iter().map(|piece| (piece.at, piece.length)).collect();
        assert_eq!(pieces, [(512, 512), (1 << 16, 512)]);
    }
}

/// Only its header is there to be read: the limit says no before any byte of it.
fn sizes_beyond_octal_digits_are_read() {
    let size: u64 = 9 << 30;
    let header = Forge::default().sized(b'0', b"large", b"", 0o644, size).0;
    let mut reader = kiln_archive::Reader::new(
        &header[..],
        kiln_archive::Dialect::Layer,
        kiln_archive::Limits { entries: 1, depth: 1, bytes: size, holes: 0 },
    );
    assert_eq!(reader.next().unwrap().unwrap().size, size);
}
