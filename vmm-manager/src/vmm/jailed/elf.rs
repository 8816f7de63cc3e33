//! The little of an ELF file that says who loads it.

use std::path::{Path, PathBuf};
use std::{ffi::OsStr, fs::File, io, os::unix::ffi::OsStrExt as _, os::unix::fs::FileExt as _};

use super::{JailedError, is_executable};

const HEADER_BYTES: usize = 64;
const ENTRY_BYTES: usize = 56;
/// Some have fifteen.
const MAX_ENTRIES: u16 = 128;
const MAX_PATH_BYTES: u64 = 4096;
/// Of a script's first line.
const SHOWN_CHARACTERS: usize = 100;

const MAGIC: &[u8] = b"\x7fELF";
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const EXECUTABLE: u16 = 2;
const POSITION_INDEPENDENT: u16 = 3;
const INTERPRETER: u32 = 3;
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

/// A program of this machine.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Elf {
    /// `None` where it is linked statically.
    pub(super) loader: Option<PathBuf>,
}

impl Elf {
    pub(super) fn read(program: &Path) -> Result<Self, JailedError> {
        let unreadable = |source| JailedError::Unreadable { program: program.to_owned(), source };
        let foreign = |what| JailedError::Foreign { program: program.to_owned(), what };
        if !is_executable(program).map_err(unreadable)? {
            return Err(JailedError::NotExecutable(program.to_owned()));
        }
        let file = File::open(program).map_err(unreadable)?;
        let mut start = [0; HEADER_BYTES];
        let length = read_up_to(&file, &mut start).map_err(unreadable)?;
        if let Some(line) = start[..length].strip_prefix(b"#!") {
            let interpreter = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let interpreter = String::from_utf8_lossy(interpreter);
            let interpreter = interpreter.trim().chars().take(SHOWN_CHARACTERS).collect();
            return Err(JailedError::Script { program: program.to_owned(), interpreter });
        }
        if !start.starts_with(MAGIC) {
            return Err(foreign("no ELF file"));
        }
        if length < HEADER_BYTES {
            return Err(foreign("a damaged ELF file"));
        }
        if start[4] != CLASS_64 {
            return Err(foreign("a 32-bit program"));
        }
        if start[5] != LITTLE_ENDIAN || u16_at(&start, 18) != MACHINE {
            return Err(foreign("a program for another processor"));
        }
        if ![EXECUTABLE, POSITION_INDEPENDENT].contains(&u16_at(&start, 16)) {
            return Err(foreign("an ELF file that cannot be executed"));
        }
        let loader = interpreter(&file, &start).map_err(|error| match error.kind() {
            // The kernel's word for an offset beyond all files is the last one.
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput => foreign("a damaged ELF file"),
            _ => unreadable(error),
        })?;
        Ok(Self { loader })
    }
}

/// What the program's table of segments names as its loader.
fn interpreter(file: &File, header: &[u8; HEADER_BYTES]) -> io::Result<Option<PathBuf>> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let (table, entry_bytes, entries) =
        (u64_at(header, 32), u16_at(header, 54), u16_at(header, 56));
    if entries > MAX_ENTRIES || usize::from(entry_bytes) != ENTRY_BYTES {
        return Err(damaged());
    }
    for index in 0..u64::from(entries) {
        let at = index
            .checked_mul(u64::from(entry_bytes))
            .and_then(|offset| offset.checked_add(table))
            .ok_or_else(damaged)?;
        let mut entry = [0; ENTRY_BYTES];
        file.read_exact_at(&mut entry, at)?;
        let kind = u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
        if kind != INTERPRETER {
            continue;
        }
        let (offset, length) = (u64_at(&entry, 8), u64_at(&entry, 32));
        if length > MAX_PATH_BYTES {
            return Err(damaged());
        }
        let mut path = vec![0; usize::try_from(length).unwrap_or_default()];
        file.read_exact_at(&mut path, offset)?;
        let path = path.strip_suffix(b"\0").ok_or_else(damaged)?;
        let path = Path::new(OsStr::from_bytes(path));
        return if path.is_absolute() { Ok(Some(path.to_owned())) } else { Err(damaged()) };
    }
    Ok(None)
}

fn read_up_to(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read_at(&mut buffer[length..], u64::try_from(length).unwrap_or(u64::MAX)) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
