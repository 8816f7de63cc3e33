//! Lists of rules and lockfiles on the disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use kiln_net::{
    lock::{self, Lock},
    policy::{MAX_TEXT_BYTES, Policy},
};
use rustix::rand::{GetRandomFlags, getrandom};

use super::EgressError;

pub(super) fn rules(path: &Path) -> Result<Policy, EgressError> {
    let at = || path.to_owned();
    let text =
        read(path, MAX_TEXT_BYTES).map_err(|source| EgressError::Rules { path: at(), source })?;
    Policy::from_lines(&text).map_err(|source| EgressError::InvalidRules { path: at(), source })
}

/// `None` where there is no such file.
pub(super) fn lock(path: &Path) -> Result<Option<Lock>, EgressError> {
    let at = || path.to_owned();
    match read(path, lock::MAX_BYTES) {
        Ok(text) => match text.parse() {
            Ok(lock) => Ok(Some(lock)),
            Err(source) => Err(EgressError::InvalidLock { path: at(), source }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EgressError::Lock { path: at(), source }),
    }
}

/// One byte more than may be, which is refused where it is parsed.
fn read(path: &Path, most: usize) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(most as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// Whole, or not at all. A link is followed: it was put there to be.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let temporary = beside(&target)?;
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&temporary)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&temporary, &target));
    if written.is_err() {
        // What cannot be removed is named so that one can tell what it is.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn beside(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom(&mut random, GetRandomFlags::empty())?;
    let name = format!(".{}-{:016x}", lock::FILE_NAME, u64::from_ne_bytes(random));
    Ok(path.with_file_name(name))
}
