//! Other readers of tar, each run once for all archives.

use std::{path::Path, process::Command};

use super::{More, Reading};

/// A reader's reading of each archive, in order: `None` for one that it refused.
type Readings = Vec<Option<Vec<Reading>>>;

const SCRIPT: &str = r#"
import os, signal, sys, tarfile
signal.alarm(60)
KIND = {tarfile.REGTYPE: '-', tarfile.AREGTYPE: '-', tarfile.CONTTYPE: '-', tarfile.DIRTYPE: 'd',
        tarfile.SYMTYPE: 'l', tarfile.LNKTYPE: 'h', tarfile.CHRTYPE: 'c', tarfile.BLKTYPE: 'b',
        tarfile.FIFOTYPE: 'p', tarfile.GNUTYPE_SPARSE: '-'}
def hexed(text):
    return text.encode('utf-8', 'surrogateescape').hex() or '-'
for name in sorted(os.listdir(sys.argv[1])):
    print('archive')
    try:
        with tarfile.open(os.path.join(sys.argv[1], name), 'r:', errorlevel=2) as archive:
            lines = []
            for m in archive:
                kind = KIND.get(m.type, "?")
                device = (m.devmajor, m.devminor) if kind in 'bc' else (0, 0)
                content = archive.extractfile(m).read() if m.isreg() else b''
                words = [kind, hexed(m.name), m.size if m.isreg() else 0,
                         hexed(m.linkname) if m.islnk() or m.issym() else '-',
                         m.mode & 0o7777, m.uid, m.gid, *device, int(m.mtime), content.hex() or '-']
                for key, value in sorted(m.pax_headers.items()):
                    if key.startswith('SCHILY.xattr.'):
                        words += [hexed(key[13:]), hexed(value)]
                lines.append(' '.join(map(str, words)))
        print('\n'.join(lines))
        print('fine')
    except Exception as error:
        print('refused')
"#;

/// With names in C's quotes, so that a line can be taken apart.
const LOOP: &str = r#"
export LC_ALL=C.UTF-8 TZ=UTC
for archive in "$1"/*.tar; do
    echo archive
    tar --list --verbose --numeric-owner --full-time --quoting-style=c --file "$archive" 2>/dev/null \
        && echo fine || echo refused
done
"#;

pub(super) fn tarfile(directory: &Path) -> Readings {
    let mut command = Command::new("python3");
    let output = output("python3", command.args(["-c", SCRIPT]).arg(directory));
    readings(&output, |line| {
        let mut words = line.split(' ');
        let kind = words.next()?.chars().next()?;
        let name = unhex(words.next()?)?;
        let size = words.next()?.parse().ok()?;
        let mut reading = reading(kind, &name, size, &unhex(words.next()?)?);
        reading.mode = words.next()?.parse().ok()?;
        reading.owner = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        reading.device = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let seconds = words.next()?.parse().ok()?;
        let content = unhex(words.next()?)?;
        let mut attributes = Vec::new();
        while let Some(name) = words.next() {
            attributes.push((unhex(name)?, unhex(words.next()?)?));
        }
        reading.more = Some(More { seconds, attributes, content });
        Some(reading)
    })
}

pub(super) fn gnu(directory: &Path) -> Readings {
    let version = output("tar", Command::new("tar").arg("--version"));
    assert!(version.contains("GNU tar"), "GNU's tar is needed (Debian: tar): {version}");
    let output = output("dash", Command::new("sh").args(["-c", LOOP, "sh"]).arg(directory));
    readings(&output, |line| {
        let (head, rest) = line.split_once('"')?;
        let words: Vec<_> = head.split_whitespace().collect();
        // Files that were once to lie in one piece.
        let kind = if head.starts_with('C') { '-' } else { head.chars().next()? };
        // Devices have their numbers where files have their size.
        let size = if kind == '-' { words.get(2)?.parse().ok()? } else { 0 };
        let (name, rest) = unquote(rest)?;
        let link = match rest.split_once('"') {
            Some((_, link)) => unquote(link)?.0,
            None => Vec::new(),
        };
        let mut reading = reading(kind, &name, size, &link);
        reading.mode = mode(words.first()?)?;
        let (user, group) = words.get(1)?.split_once('/')?;
        reading.owner = (user.parse().ok()?, group.parse().ok()?);
        if matches!(kind, 'b' | 'c') {
            let (major, minor) = words.get(2)?.split_once(',')?;
            reading.device = (major.parse().ok()?, minor.parse().ok()?);
        }
        Some(reading)
    })
}

/// Of a program that a package of Debian's brings.
fn output(package: &str, command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{} is needed (Debian: {package}): {error}", command.get_program().display())
    });
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn readings(output: &str, parse: impl Fn(&str) -> Option<Reading>) -> Readings {
    let mut readings = Vec::new();
    for archive in output.split("archive\n").skip(1) {
        let lines: Vec<_> = archive.lines().filter(|line| !line.is_empty()).collect();
        let (last, members) = lines.split_last().unwrap();
        let members: Option<Vec<_>> = members.iter().map(|line| parse(line)).collect();
        readings.push(members.filter(|_| *last == "fine"));
    }
    readings
}

/// Names as they stand below a root; targets of symbolic links as they are.
fn reading(kind: char, name: &[u8], size: u64, link: &[u8]) -> Reading {
    let link = if kind == 'h' { plain(link) } else { link.to_vec() };
    let (mode, owner, device) = (0, (0, 0), (0, 0));
    Reading { kind, name: plain(name), size, link, mode, owner, device, more: None }
}

/// `-rwsr-xr-t`
fn mode(text: &str) -> Option<u32> {
    let bytes = text.as_bytes();
    let mut mode = 0;
    for (place, &byte) in bytes.get(1..10)?.iter().enumerate() {
        let special = matches!(byte, b's' | b'S' | b't' | b'T');
        let plain = byte != b'-' && !byte.is_ascii_uppercase();
        mode |= u32::from(plain) << (8 - place);
        mode |= u32::from(special) << (11 - place / 3);
    }
    Some(mode)
}

fn plain(name: &[u8]) -> Vec<u8> {
    let parts: Vec<_> =
        name.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && part != b".").collect();
    parts.join(&b'/')
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text == "-" {
        return Some(Vec::new());
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

/// Up to the closing quote, and what stands behind it.
fn unquote(text: &str) -> Option<(Vec<u8>, &str)> {
    let bytes = text.as_bytes();
    let (mut name, mut at) = (Vec::new(), 0);
    loop {
        match *bytes.get(at)? {
            b'"' => return Some((name, &text[at + 1..])),
            b'\\' => {
                let escape = *bytes.get(at + 1)?;
                if let b'0'..=b'7' = escape {
                    name.push(u8::from_str_radix(text.get(at + 1..at + 4)?, 8).ok()?);
                    at += 4;
                    continue;
                }
                name.push(match escape {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'a' => 7,
                    b'b' => 8,
                    b'f' => 12,
                    b'v' => 11,
                    other => other,
                });
                at += 2;
            }
            byte => {
                name.push(byte);
                at += 1;
            }
        }
    }
}
