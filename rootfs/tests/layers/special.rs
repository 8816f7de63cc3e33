//! Devices, setuid, owners, attributes and times: all of it is in the tree as the layer has it, or the
//! layer is refused. 30 and more cases. What then becomes of them is for policies to say.

use kiln_forge::Forge;
use kiln_rootfs::{InvalidEntry, LayerError, LayersError};

use crate::converted::{Refused, layers};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("special::devices_are_kept", devices_are_kept),
    ("special::modes_are_kept", modes_are_kept),
    ("special::owners_are_kept_by_their_numbers", owners_are_kept_by_their_numbers),
    ("special::attributes_are_kept", attributes_are_kept),
    ("special::times_are_kept_to_the_nanosecond", times_are_kept_to_the_nanosecond),
];

fn devices_are_kept() {
    for (kind, word) in [(b'3', "character"), (b'4', "block")] {
        for (major, minor) in [(1, 3), (0, 0), (8, 1), (4095, 255), (511, 1_048_575)] {
            let archive = Forge::default().device(kind, "dev/node", major, minor).end();
            let converted = layers(&[archive]).unwrap();
            let reading = converted.reading();
            assert_eq!(reading.fact("dev/node").kind, format!("{word} {major} {minor}"));
            assert_eq!(reading.fact("dev/node").mode, 0o660);
        }
        for field in [
            &b"\0\0\0\0\0\0\0\0"[..],
            b"0000009\0",
            b"-000001\0",
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            let archive = Forge::default().device(kind, "node", 1, 3).put(329, field).end();
            let refused = refused(archive);
            assert_eq!(refused, InvalidEntry::Device { path: "node".to_owned() });
        }
    }
    let archive = Forge::default().member(b'6', "fifo", "", 0o600, b"").end();
    assert_eq!(layers(&[archive]).unwrap().reading().fact("fifo").kind, "fifo");
}

fn modes_are_kept() {
    for mode in [0, 0o644, 0o755, 0o4755, 0o2755, 0o6711, 0o1777, 0o7777] {
        let archive = Forge::default()
            .member(b'0', "file", "", mode, b"")
            .member(b'5', "directory", "", mode, b"")
            .end();
        let reading = layers(&[archive]).unwrap().reading();
        assert_eq!(reading.fact("file").mode, mode);
        assert_eq!(reading.fact("directory").mode, mode);
    }
}

fn owners_are_kept_by_their_numbers() {
    let large = Forge::default().pax(&[("uid", "4294967294"), ("gid", "3000000000")]);
    let archive = large
        .member(b'0', "large", "", 0o644, b"")
        .pax(&[("uname", "somebody"), ("gname", "everybody")])
        .member(b'0', "named", "", 0o644, b"")
        .member(b'0', "binary", "", 0o644, b"")
        .put(108, b"\x80\0\0\0\x01\0\0\0")
        .end();
    let reading = layers(&[archive]).unwrap().reading();
    assert_eq!(reading.fact("large").owner, (4_294_967_294, 3_000_000_000));
    assert_eq!(reading.fact("named").owner, (0o1750, 0o1750));
    assert_eq!(reading.fact("binary").owner, (1 << 24, 0o1750));
    for number in ["4294967295", "4294967296", "9223372036854775807"] {
        for key in ["uid", "gid"] {
            let forge = Forge::default().pax(&[(key, number)]);
            let refused = refused(forge.member(b'0', "file", "", 0o644, b"").end());
            assert!(matches!(refused, InvalidEntry::Owner { .. }), "{key} {number}");
        }
    }
    let negative = Forge::default().member(b'0', "file", "", 0o644, b"");
    let negative = refused(negative.put(108, b"\xff\xff\xff\xff\xff\xff\xff\xfe").end());
    assert!(matches!(negative, InvalidEntry::Owner { user: -2, .. }));
}

fn attributes_are_kept() {
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let list = b"\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff";
    let archive = Forge::default()
        .pax_bytes(&[
            ("SCHILY.xattr.security.capability", capability),
            ("SCHILY.xattr.system.posix_acl_access", list),
            ("SCHILY.xattr.user.empty", b""),
            ("LIBARCHIVE.xattr.user.of%20bsd", b"Yg=="),
        ])
        .member(b'0', "file", "", 0o755, b"")
        .pax_bytes(&[("SCHILY.xattr.trusted.overlay.opaque", b"y")])
        .member(b'5', "overlay", "", 0o755, b"")
        .end();
    let converted = layers(&[archive]).unwrap();
    let expected: [(&[u8], &[u8]); 4] = [
        (b"security.capability", capability),
        (b"system.posix_acl_access", list),
        (b"user.empty", b""),
        (b"user.of bsd", b"b"),
    ];
    let expected = expected.map(|(name, value)| (name.to_vec(), value.to_vec()));
    let reading = converted.reading();
    assert_eq!(reading.fact("file").attributes, expected.into());
    assert_eq!(reading.fact("overlay").attributes, [].into());
    assert_eq!(converted.applied.notes.overlay_attributes, 1);
    for name in ["SCHILY.xattr.file", "SCHILY.xattr.user.", "SCHILY.xattr.nobody.a"] {
        let forge = Forge::default().pax(&[(name, "x")]);
        let refused = refused(forge.member(b'0', "file", "", 0o644, b"").end());
        assert!(matches!(refused, InvalidEntry::Attribute { .. }), "{name}");
    }
    // What an upper layer says of a directory takes the place of all that was said of it.
    let lower = Forge::default().pax(&[("SCHILY.xattr.user.a", "b")]);
    let lower = lower.member(b'5', "d", "", 0o700, b"").end();
    let upper = Forge::default().member(b'5', "d", "", 0o755, b"").end();
    let reading = layers(&[lower, upper]).unwrap().reading();
    assert_eq!((reading.fact("d").mode, reading.fact("d").attributes.len()), (0o755, 0));
}

fn times_are_kept_to_the_nanosecond() {
    for (text, expected) in [
        ("1.000000001", (1, 1)),
        ("-1.25", (-2, 750_000_000)),
        ("4102444800.5", (4_102_444_800, 500_000_000)),
        ("-2208988800", (-2_208_988_800, 0)),
    ] {
        let forge = Forge::default().pax(&[("mtime", text)]);
        let reading =
            layers(&[forge.member(b'0', "file", "", 0o644, b"").end()]).unwrap().reading();
        assert_eq!(reading.fact("file").modified, expected, "{text}");
    }
}

fn refused(archive: Vec<u8>) -> InvalidEntry {
    match layers(&[archive]) {
        Err(Refused::Layers(LayersError::Layer { source: LayerError::Entry(error), .. })) => error,
        other => panic!("{other:?}"),
    }
}
