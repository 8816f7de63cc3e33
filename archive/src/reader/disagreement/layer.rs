//! A layer that was right once.

use kiln_forge::{Dice, Forge, record};

use super::mutant::mutate;

pub(super) fn layer(seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed + (1 << 32));
    let mut forge = Forge::default();
    for number in 0..=dice.roll(4) {
        forge = member(forge, &mut dice, number);
    }
    let mut archive = match dice.roll(6) {
        0 => forge.0,
        _ => forge.end(),
    };
    for _ in 0..[0, 0, 1, 1, 2][dice.roll(5)] {
        mutate(&mut archive, &mut dice);
    }
    archive
}

fn member(mut forge: Forge, dice: &mut Dice, number: usize) -> Forge {
    let names = ["a", "/b", "./usr/bin/c", "/./d", ".wh.e", "dir/.wh..wh.f"];
    let name = format!("{}{number}", dice.one_of(&names));
    let size = dice.roll(1400);
    let body = vec![b'a' + u8::try_from(number).unwrap(); size];
    if dice.roll(3) == 0 {
        return pax_holes(forge, dice, &name);
    }
    for _ in 0..[0, 1, 1, 1, 1, 2][dice.roll(6)] {
        forge = extension(forge, dice);
    }
    let mode = [0o644, 0o4755, 0o2755, 0o1777, 0, 0o7777][dice.roll(6)];
    let numbers = [(1, 3), (5, 0), (0, 0), (4095, 1_048_575)][dice.roll(4)];
    let forge = match dice.roll(8) {
        0 => forge.member(b'5', &format!("{name}/"), "", mode, b""),
        1 => forge.member(b'2', &name, dice.one_of(&["a0", "../x", "/etc", "b/"]), 0o777, b""),
        2 => forge.member(b'1', &name, dice.one_of(&["a0", "/b1", "./a0"]), mode, b""),
        3 => return forge.device(b'3', &name, numbers.0, numbers.1),
        4 => return forge.device(b'4', &name, numbers.0, numbers.1),
        5 => forge.member(b'6', &name, "", mode, b""),
        _ => {
            return owner(forge.sized(b'0', name.as_bytes(), b"", mode, size as u64), dice)
                .body(&body);
        }
    };
    owner(forge, dice)
}

fn owner(forge: Forge, dice: &mut Dice) -> Forge {
    match dice.roll(4) {
        0 => forge.owner(0, 0),
        1 => forge.owner(65534, 2_097_151),
        // In base 256: 0x01020304.
        2 => forge.put(108, b"\x80\0\0\0\x01\x02\x03\x04"),
        _ => forge,
    }
}

fn extension(forge: Forge, dice: &mut Dice) -> Forge {
    let value: &[u8] = [&b"value"[..], b"", b"\0\x01\xff\n=", "größe".as_bytes()][dice.roll(4)];
    let time = dice.one_of(&["12.25", "-7.000000001", "1.5", "4102444800", "-0.25", "x"]);
    let number = dice.one_of(&["0", "1000", "4294967294", "-1", "3000000000"]);
    match dice.roll(12) {
        0 | 1 => forge.pax_bytes(&[("SCHILY.xattr.user.a", value)]),
        2 => forge.pax_bytes(&[
            ("SCHILY.xattr.security.capability", b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            ("SCHILY.xattr.user.b", value),
        ]),
        3 => forge.pax(&[("mtime", time)]),
        4 => forge.pax(&[("uid", number), ("gid", number)]),
        5 => forge.pax(&[("mtime", time), ("atime", time), ("uid", number)]),
        6 => forge.pax_bytes(&[("path", b"not\xfftext")]),
        7 => forge.pax(&[("path", "new\nline")]),
        8 => forge.long_name(&"long/".repeat(25)),
        9 => forge.pax_bytes(&[("SCHILY.xattr.user.a", value), ("SCHILY.xattr.user.a", b"x")]),
        10 => forge.pax(&[("SCHILY.acl.access", "user::rwx")]),
        _ => {
            let comment = record("comment", "x");
            forge.member(b'g', "g", "", 0o644, comment.as_bytes())
        }
    }
}

/// Mostly as it should be.
fn pax_holes(forge: Forge, dice: &mut Dice, name: &str) -> Forge {
    let mut map = Vec::new();
    if dice.roll(6) == 0 {
        map.push((0, 0));
    }
    let mut end = 0_u64;
    for _ in 0..[0, 1, 2, 5, 60][dice.roll(5)] {
        let offset = end + [0, 512, 4096, 1][dice.roll(4)];
        let length = [512, 512, 1024, 1024, 100][dice.roll(5)];
        map.push((offset, length));
        end = offset + length;
    }
    let size = end + [0, 100, 4096][dice.roll(3)];
    if dice.roll(8) > 0 {
        map.push((size, 0));
    }
    let size = size + [0, 0, 0, 0, 0, 0, 1][dice.roll(7)];
    let count = (map.len() + [0, 0, 0, 0, 0, 0, 0, 1][dice.roll(8)]).to_string();
    let total: u64 = map.iter().map(|(_, length)| length).sum();
    let data = vec![b'h'; usize::try_from(total).unwrap()];
    let size = size.to_string();
    match dice.roll(3) {
        0 => {
            let pairs: Vec<_> =
                map.iter().map(|(at, length)| (at.to_string(), length.to_string())).collect();
            let mut records = vec![("GNU.sparse.size", &*size), ("GNU.sparse.numblocks", &*count)];
            for (offset, length) in &pairs {
                records.extend([("GNU.sparse.offset", &**offset), ("GNU.sparse.numbytes", length)]);
            }
            forge.pax(&records).member(b'0', name, "", 0o644, &data)
        }
        1 => {
            let numbers: Vec<_> = map.iter().map(|(at, length)| format!("{at},{length}")).collect();
            forge
                .pax(&[
                    ("GNU.sparse.size", &size),
                    ("GNU.sparse.numblocks", &count),
                    ("GNU.sparse.name", name),
                    ("GNU.sparse.map", &numbers.join(",")),
                ])
                .member(b'0', "GNUSparseFile.0/x", "", 0o644, &data)
        }
        _ => {
            let numbers = map.iter().flat_map(|(at, length)| [at.to_string(), length.to_string()]);
            let lines: Vec<_> = std::iter::once(count.clone()).chain(numbers).collect();
            let mut body = (lines.join("\n") + "\n").into_bytes();
            body.resize(body.len().next_multiple_of(512), 0);
            body.extend(data);
            let minor = dice.one_of(&["0", "0", "0", "0", "1"]);
            forge
                .pax(&[
                    ("GNU.sparse.major", "1"),
                    ("GNU.sparse.minor", minor),
                    ("GNU.sparse.name", name),
                    ("GNU.sparse.realsize", &size),
                ])
                .member(b'0', "GNUSparseFile.0/x", "", 0o644, &body)
        }
    }
}
