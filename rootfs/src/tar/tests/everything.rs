//! Trees to write.

use crate::{
    sample::Sample,
    tree::{Kind, Metadata, Time, Tree},
};

/// Every kind of node, and every edge of the format.
pub(super) fn everything() -> Sample {
    let mut sample = Sample::new();
    let root = Tree::ROOT;
    names(&mut sample);
    for (name, size) in [("empty", 0), ("one", 1), ("block", 512), ("more", 513), ("big", 700_000)]
    {
        let file = sample.file(&vec![b'x'; size]);
        sample.add(root, name.as_bytes(), file);
    }
    holes(&mut sample);
    let shared = sample.file(b"shared");
    let shared = sample.add(root, b"m-shared", shared);
    let below = sample.directory(root, b"below");
    sample.tree.link(below, (*b"again").into(), shared);
    sample.tree.link(root, b"z".repeat(150).into(), shared);
    sample.add(root, b"link", Kind::Symlink((*b"../../etc/passwd").into()));
    sample.add(root, b"long-link", Kind::Symlink("ziel/\u{fc}".repeat(40).into_bytes().into()));
    sample.add(root, b"null", Kind::CharacterDevice { major: 1, minor: 3 });
    sample.add(root, b"disk", Kind::BlockDevice { major: 259, minor: 1_048_575 });
    sample.add(root, b"fifo", Kind::Fifo);
    metadata(&mut sample);
    sample
}

fn names(sample: &mut Sample) {
    let names: [&[u8]; 8] = [
        b"-option",
        b"new\nline",
        b"tab\tand \\ back",
        b"latin\xfc\xff",
        "gr\u{fc}n".as_bytes(),
        &[b'l'; 255],
        &[0xfc; 250],
        &[b'h'; 100],
    ];
    let inside = sample.directory(Tree::ROOT, b"names");
    for name in names {
        let file = sample.file(name);
        sample.add(inside, name, file);
        let directory = [b"d", &name[..name.len().min(254)]].concat();
        sample.directory(inside, &directory);
    }
}

type Case<'a> = (&'a [u8], u64, &'a [(u64, &'a [u8])]);

fn holes(sample: &mut Sample) {
    let inside = sample.directory(Tree::ROOT, b"holes");
    let deep = sample.directory(inside, &[0xe4; 200]);
    for directory in [inside, deep] {
        let cases: [Case; 7] = [
            (b"all", 1 << 20, &[]),
            (b"small", 1000, &[]),
            (b"front", 40_000, &[(30_000, &[7; 10_000])]),
            (b"back", 40_000, &[(0, &[7; 10_000])]),
            (b"middle", 40_000, &[(0, b"start"), (20_000, b"mid"), (39_997, b"end")]),
            (b"narrow", 3000, &[(0, b"start"), (2900, &[1; 100])]),
            (b"huge", 9 << 30, &[(5 << 30, b"five gibibytes")]),
        ];
        for (name, size, parts) in cases {
            let file = sample.content(size, parts);
            sample.add(directory, name, file);
        }
    }
}

fn metadata(sample: &mut Sample) {
    let inside = sample.directory(Tree::ROOT, b"owned");
    // Before 1970 whole seconds only: libarchive reads -1.5 as -0.5.
    let times = [(0, 1), (1_700_000_000, 123_456_789), (-2, 0), (9_000_000_000, 0)];
    for (number, (seconds, nanoseconds)) in times.into_iter().enumerate() {
        let modified = Time { seconds, nanoseconds };
        let user = [0, 1000, 2_097_152, 4_294_967_294][number];
        let mode = [0o4755, 0o2755, 0o1777, 0][number];
        let attributes = [
            (b"user.plain".as_slice(), b"value".as_slice()),
            (b"user.binary", b"\x00\n\xff="),
            (b"user.100%", b"percent"),
            (b"user.empty", b""),
        ];
        let attributes = attributes.map(|(name, value)| (name.into(), value.into())).into();
        let metadata = Metadata { mode, user, group: user, modified, attributes };
        let name = format!("time{number}");
        let file = sample.file(b"owned");
        sample.add_with(inside, name.as_bytes(), file, metadata);
    }
    let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let attributes = [(b"security.capability".as_slice().into(), capability.as_slice().into())];
    let metadata = Metadata { mode: 0o755, attributes: attributes.into(), ..Metadata::default() };
    let file = sample.file(b"ping");
    sample.add_with(inside, b"ping", file, metadata);
}
