//! One name's stat, as the engine takes it.

use std::io;

use bytes::Bytes;
use rustix::{
    ffi::CStr,
    fs::{
        FileType, Stat as Raw, lgetxattr, llistxattr, llistxattr_query, major, minor, readlinkat,
    },
    io::Errno,
};

use super::packet::{Attribute, Stat};

/// More than the kernel keeps of one name.
const MAX_ATTRIBUTE_BYTES: usize = 64 << 10;

/// Of `name` in `directory`, which `path` in `root` is as well. Whoever owns it here, it is root's
/// there: users are not the same.
pub(super) fn stat(
    directory: impl rustix::fd::AsFd,
    name: &CStr,
    root: &[u8],
    path: &[u8],
    raw: &Raw,
) -> io::Result<Stat> {
    let kind = FileType::from_raw_mode(raw.st_mode);
    let mut stat = Stat {
        path: Bytes::copy_from_slice(path),
        mode: mode(raw.st_mode),
        modified: modified(raw),
        attributes: attributes(&[root, b"/", path].concat())?,
        ..Stat::default()
    };
    if kind != FileType::Directory {
        stat.size = raw.st_size;
    }
    match kind {
        FileType::Symlink => {
            stat.link = readlinkat(directory, name, Vec::new())?.into_bytes().into();
        }
        FileType::BlockDevice | FileType::CharacterDevice => {
            stat.major = major(raw.st_rdev).into();
            stat.minor = minor(raw.st_rdev).into();
        }
        _ => {}
    }
    Ok(stat)
}

fn modified(raw: &Raw) -> i64 {
    raw.st_mtime.wrapping_mul(1_000_000_000).wrapping_add(raw.st_mtime_nsec.cast_signed())
}

/// A socket is told as a file: there is no way to keep one.
pub(super) fn mode(raw: u32) -> u32 {
    let kind = match FileType::from_raw_mode(raw) {
        FileType::Directory => 1 << 31,
        FileType::Symlink => 1 << 27,
        FileType::BlockDevice => 1 << 26,
        FileType::CharacterDevice => 1 << 26 | 1 << 21,
        FileType::Fifo => 1 << 25,
        _ => 0,
    };
    let bits = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let special: u32 = bits.iter().filter(|(bit, _)| raw & bit != 0).map(|(_, its)| its).sum();
    kind | special | raw & 0o777
}

fn attributes(path: &[u8]) -> io::Result<Vec<Attribute>> {
    // Nearly always there are none: then this is all.
    let length = match llistxattr_query(path) {
        Ok(0) | Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Ok(length) => length,
        Err(error) => return Err(error.into()),
    };
    let mut names = vec![0; length];
    let length = llistxattr(path, &mut names)?;
    let mut found = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; MAX_ATTRIBUTE_BYTES];
        // What may not be read stays behind.
        if let Ok(length) = lgetxattr(path, name, &mut value) {
            value.truncate(length);
            found.push(Attribute { name: name.to_owned(), value });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::mode;

    #[test]
    fn modes_are_gos() {
        let check = |raw: u32, expected: u32| assert_eq!(mode(raw), expected, "{raw:o}");
        check(0o100_644, 0o644);
        check(0o104_755, 1 << 23 | 0o755);
        check(0o102_755, 1 << 22 | 0o755);
        check(0o041_777, 1 << 31 | 1 << 20 | 0o777);
        check(0o120_777, 1 << 27 | 0o777);
        check(0o020_600, 1 << 26 | 1 << 21 | 0o600);
        check(0o060_600, 1 << 26 | 0o600);
        check(0o010_600, 1 << 25 | 0o600);
        check(0o140_755, 0o755);
    }
}
