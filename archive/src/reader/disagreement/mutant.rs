//! An archive that was right once.

use kiln_forge::{Dice, Forge, record, sign};

pub(super) fn mutant(seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let mut forge = Forge::default();
    for number in 0..=dice.roll(4) {
        forge = member(forge, &mut dice, number);
    }
    let mut archive = forge.end();
    for _ in 0..[0, 0, 1, 1, 2][dice.roll(5)] {
        mutate(&mut archive, &mut dice);
    }
    archive
}

fn member(mut forge: Forge, dice: &mut Dice, number: usize) -> Forge {
    let name = format!("{}{number}", dice.one_of(&["a", "dir/b", "./c", "d//e", "x/./y", "long"]));
    let size = dice.roll(1400);
    let body = vec![b'a' + u8::try_from(number).unwrap(); size];
    for _ in 0..[0, 0, 0, 1, 1, 2][dice.roll(6)] {
        forge = extension(forge, dice, size);
    }
    match dice.roll(10) {
        8 | 9 => holes(forge, dice, &name),
        0 => forge.member(b'5', &format!("{name}/"), "", 0o755, b""),
        1 => forge.member(b'2', &name, dice.one_of(&["a0", "../x", "/etc", "b/"]), 0o777, b""),
        2 => forge.member(b'1', &name, dice.one_of(&["a0", "./a0", "dir//b1"]), 0o644, b""),
        3 => forge.member(b"346"[dice.roll(3)], &name, "", 0o644, b""),
        4 => forge.member(b'7', &name, "", 0o644, &body),
        5 => forge.member(0, &name, "", 0o644, &body),
        _ => forge.member(b'0', &name, "", 0o644, &body),
    }
}

/// Mostly as it should be.
fn holes(forge: Forge, dice: &mut Dice, name: &str) -> Forge {
    let mut map = Vec::new();
    let mut end = 0;
    let lengths = if dice.roll(4) > 0 { &[512, 512, 1024] } else { &[512, 0, 100] };
    for _ in 0..[0, 1, 2, 3, 4, 5, 30][dice.roll(7)] {
        let offset = end + [0, 512, 4096, 1][dice.roll(4)];
        let length = lengths[dice.roll(3)];
        map.push((offset, length));
        end = offset + length;
    }
    let size = end + [0, 0, 100, 4096][dice.roll(4)];
    if dice.roll(8) > 0 {
        map.push((size, 0));
    }
    let size = size + [0, 0, 0, 0, 0, 1, 512][dice.roll(7)];
    if dice.roll(10) == 0 {
        map.reverse();
    }
    let data: u64 = map.iter().map(|(_, length)| length).sum();
    forge.holes(name, &map, size, &vec![b'h'; usize::try_from(data).unwrap()])
}

fn extension(forge: Forge, dice: &mut Dice, size: usize) -> Forge {
    let told =
        [size, size, size, size + 512, 0, size.saturating_sub(1), 512][dice.roll(7)].to_string();
    let path = dice.one_of(&["pax/name", "größe", "./p", "p/", "sp ace", "", "p//q", "tab\there"]);
    match dice.roll(12) {
        0 | 1 => forge.pax(&[("path", path)]),
        2 => forge.pax(&[("size", &told)]),
        3 => forge.pax(&[("path", path), ("size", &told), ("mtime", "12.25")]),
        4 => forge.pax(&[("linkpath", path)]),
        5 => forge.long_name(path),
        6 => forge.long_link(path),
        7 => forge.pax(&[("path", "first"), ("path", "second")]),
        8 => forge.pax(&[(dice.one_of(&["uid", "mtime", "gid", "atime"]), path)]),
        9 => forge.pax(&[(dice.one_of(&["GNU.sparse.size", "SCHILY.realsize", "comment"]), &told)]),
        10 => {
            let records = record("path", path) + &record("comment", "x");
            let cut = records.len() - dice.roll(3);
            forge.member(b'x', "x", "", 0o644, &records.as_bytes()[..cut])
        }
        _ => {
            let key = dice.one_of(&["comment", "path", "size", "mtime"]);
            let records = record(key, &told);
            forge.member(b'g', "g", "", 0o644, records.as_bytes())
        }
    }
}

pub(super) fn mutate(archive: &mut Vec<u8>, dice: &mut Dice) {
    let blocks = archive.len() / 512;
    if blocks == 0 {
        return;
    }
    let start = dice.roll(blocks) * 512;
    let block = &mut archive[start..start + 512];
    match dice.roll(12) {
        10 => block[482] = [0, 1, 2, b'1'][dice.roll(4)],
        11 => {
            let slot = [386, 410, 434, 458, 471, 483, 24][dice.roll(7)];
            block[slot..slot + 12].copy_from_slice(
                [b"00000001000\0", b"00000010000\0", b"\x80\0\0\0\0\0\0\0\0\0\x02\0", &[0; 12]]
                    [dice.roll(4)],
            );
        }
        0 => block[124..136].copy_from_slice(
            [b"00000001000\0", b"0000001000 \0", b"\x80\0\0\0\0\0\0\0\0\0\x02\0", b"-0000001000\0"]
                [dice.roll(4)],
        ),
        1 => block[124..136].copy_from_slice(
            [
                b"     1000 \0\0",
                b"\0\0\0\0\0\0\0\0\0\0\0\0",
                b"0x000001000\0",
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            ][dice.roll(4)],
        ),
        2 => block[156] = b"0123457LKxgSDVMNAX\0"[dice.roll(19)],
        3 => {
            let prefix = dice.one_of(&["prefix", "p/q/", "/abs", "..", "x\0y"]);
            block[345..345 + prefix.len()].copy_from_slice(prefix.as_bytes());
        }
        4 => block[257..265]
            .copy_from_slice([b"ustar\x0000", b"ustar  \0", b"ustar\0\0\0", &[0; 8]][dice.roll(4)]),
        5 => block[dice.roll(500)] = u8::try_from(dice.roll(256)).unwrap(),
        6 => block[99] = b'z',
        7 => block.fill(0),
        8 => {
            // One block more, or one less.
            if dice.roll(2) == 0 {
                archive.drain(start..start + 512);
            } else {
                let copy = block.to_vec();
                archive.splice(start..start, copy);
            }
            return;
        }
        _ => {
            archive.truncate(start);
            return;
        }
    }
    // Mostly so that its checksum is right.
    if dice.roll(10) > 0 && block.iter().any(|&byte| byte != 0) {
        sign(block);
    }
}
