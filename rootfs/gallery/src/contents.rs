//! What stands in one layer.

use kiln_forge::Forge;
use kiln_rootfs::Compression;

use crate::picture::{Form, Picture};

fn root(forge: Forge) -> Forge {
    forge.member(b'5', "./", "", 0o755, b"").owner(0, 0)
}

pub fn every_kind_of_file() -> Picture {
    let forge = root(Forge::default())
        .member(b'5', "dev/", "", 0o755, b"")
        .device(b'3', "dev/null", 1, 3)
        .device(b'4', "dev/disk", 259, 70_000)
        .device(b'3', "dev/zero", 0, 0)
        .member(b'6', "dev/pipe", "", 0o600, b"")
        .member(b'0', "file", "", 0o644, b"some text")
        .member(b'0', "empty", "", 0, b"")
        .member(b'0', "blocks", "", 0o600, &[9; 3 * 4096])
        .member(b'1', "linked", "file", 0o644, b"")
        .member(b'1', "dev/linked", "dev/null", 0o644, b"")
        .member(b'2', "fast", "file", 0o777, b"")
        .member(b'2', "nowhere", "../../nowhere", 0o777, b"")
        .long_link(&"/slow".repeat(100))
        .member(b'2', "slow", "", 0o777, b"")
        .member(b'1', "slow-too", "slow", 0o777, b"")
        .member(b'0', "setuid", "", 0o4755, b"setuid")
        .member(b'0', "setgid", "", 0o2710, b"setgid")
        .member(b'5', "tmp/", "", 0o1777, b"")
        .member(b'5', "shared/", "", 0o2775, b"");
    Picture::of(vec![forge.end()])
}

pub fn names_that_are_no_text() -> Picture {
    let names: [&[u8]; 7] = [
        b"new\nline",
        b"\xff\xfe\x80",
        b"tab\tand \\ and \"",
        "\u{fc}ml\u{e4}ut \u{1f980}".as_bytes(),
        b" ",
        b"-rf",
        &[0xe9; 255],
    ];
    let add = |forge: Forge, name: &&[u8]| {
        let long = forge.pax_bytes(&[("hdrcharset", b"BINARY"), ("path", name)]);
        long.member(b'0', "short", "", 0o644, name)
    };
    let deep = vec!["directory-of-a-long-name"; 100].join("/");
    let forge = names.iter().fold(root(Forge::default()), add);
    let forge = forge
        .pax_bytes(&[("hdrcharset", b"BINARY"), ("linkpath", b"\xff\n")])
        .member(b'2', "link", "", 0o777, b"")
        .pax(&[("path", &deep)])
        .member(b'0', "short", "", 0o644, b"deep");
    Picture::of(vec![forge.end()]).form(Form::Archive)
}

pub fn attributes_lists_and_capabilities() -> Picture {
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    // The owner, user 1000, the group, the mask, others.
    let list = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\xe8\x03\0\0\
        \x04\0\x04\0\xff\xff\xff\xff\x10\0\x04\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff";
    let forge = root(Forge::default())
        .pax_bytes(&[("SCHILY.xattr.security.capability", capability)])
        .member(b'0', "ping", "", 0o755, b"program")
        .pax_bytes(&[("SCHILY.xattr.system.posix_acl_access", list)])
        .member(b'0', "listed", "", 0o640, b"text")
        .pax_bytes(&[
            ("SCHILY.xattr.system.posix_acl_access", list),
            ("SCHILY.xattr.system.posix_acl_default", list),
        ])
        .member(b'5', "inherited/", "", 0o640, b"")
        .pax_bytes(&[
            ("SCHILY.xattr.user.binary", b"\0value\xff\n"),
            ("SCHILY.xattr.user.empty", b""),
            ("SCHILY.xattr.trusted.secret", b"x"),
            ("SCHILY.xattr.user.large", &[b'l'; 3000]),
        ])
        .member(b'0', "many", "", 0o644, b"text")
        .member(b'1', "many-too", "many", 0o644, b"");
    Picture::of(vec![forge.end()]).packed(&[Compression::Zstd])
}

pub fn owners_and_times() -> Picture {
    let mut forge = root(Forge::default());
    for (number, time) in
        ["0", "-86400.25", "1.000000001", "4102444800.5", "6000000000"].into_iter().enumerate()
    {
        let name = format!("file-{number}");
        forge = forge.pax(&[("mtime", time)]).member(b'0', &name, "", 0o644, b"");
        let name = format!("directory-{number}/");
        forge = forge.pax(&[("mtime", time)]).member(b'5', &name, "", 0o755, b"");
        let name = format!("link-{number}");
        forge = forge.pax(&[("mtime", time)]).member(b'2', &name, "x", 0o777, b"");
    }
    let forge = forge
        .pax(&[("uid", "4294967294"), ("gid", "3000000000")])
        .member(b'0', "large", "", 0o644, b"")
        .pax(&[("uname", "root"), ("gname", "root")])
        .member(b'0', "named", "", 0o644, b"");
    Picture::of(vec![forge.end()]).form(Form::Docker)
}

pub fn files_with_holes() -> Picture {
    let data = [vec![7; 1024], vec![8; 5000]].concat();
    let forge = root(Forge::default())
        .holes("first", &[(0, 1024), (1 << 20, 4608), (3 << 20, 0)], 3 << 20, &data[..5632])
        .holes("last", &[(4096 * 5 + 100, 6024)], 4096 * 5 + 6124, &data)
        .holes("nothing", &[(1 << 21, 0)], 1 << 21, b"")
        .member(b'0', "zeros", "", 0o644, &vec![0; 100_000]);
    Picture::of(vec![forge.end()]).packed(&[Compression::Plain])
}

pub fn a_file_of_more_than_4_gib() -> Picture {
    let size = (5 << 30) + 12_345;
    let map = [(4096, 1024), ((4 << 30) - 512, 4608), (size - 10, 10)];
    let forge = root(Forge::default()).holes("large", &map, size, &[5; 5642]);
    Picture::of(vec![forge.end()])
}

pub fn a_directory_of_many_names() -> Picture {
    let mut forge = root(Forge::default()).member(b'5', "many/", "", 0o755, b"");
    for number in 0..1500 {
        let name = format!("many/a-name-that-is-not-so-short-{number:04}");
        forge = forge.member(b'0', &name, "", 0o644, name.as_bytes());
    }
    Picture::of(vec![forge.end()])
}

/// Of each its name.
pub fn two_hundred_thousand_files() -> Picture {
    const FILES: usize = 200_000;
    const A_DIRECTORY: usize = 500;
    let mut forge = Forge::default().member(b'5', "./", "", 0o755, b"");
    for directory in 0..FILES / A_DIRECTORY {
        forge = forge.member(b'5', &format!("d{directory}/"), "", 0o755, b"");
        for file in 0..A_DIRECTORY {
            let name = format!("d{directory}/file-{file}");
            forge = forge.member(b'0', &name, "", 0o644, name.as_bytes());
        }
    }
    Picture::of(vec![forge.end()]).packed(&[Compression::Gzip])
}
