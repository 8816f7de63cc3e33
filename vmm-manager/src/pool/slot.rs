//! A daemon's share of the host's numbers.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, flock},
    process::geteuid,
};

use super::SLOTS;

/// Everybody's, and each file its owner's alone.
const SHARED: u32 = 0o1777;

#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error(
        "all {SLOTS} slots in {path} belong to other daemons or their machines; \
         stop one, or remove the homes that are not used any more"
    )]
    Full { path: PathBuf },
    #[error("the host's pool at {path} cannot be used")]
    Io { path: PathBuf, source: io::Error },
}

/// Held for the life of the daemon.
#[derive(Debug)]
pub struct Slot {
    index: u32,
    /// Holds the lock.
    _file: File,
}

impl Slot {
    /// Claims a slot for the home at `home`, the one that it had before where there is one.
    pub fn claim(directory: &Path, instance: &str, home: &Path) -> Result<Self, PoolError> {
        let failed = |source| PoolError::Io { path: directory.to_owned(), source };
        make_shared(directory).map_err(failed)?;
        let ours = format!("{instance} {}", home.display());
        // First the slot that names us: our machines may be running with its numbers.
        for keep in [true, false] {
            for index in 0..SLOTS {
                let taken = Self::take(directory, index, &ours, keep).map_err(failed)?;
                if let Some(slot) = taken {
                    return Ok(slot);
                }
            }
        }
        Err(PoolError::Full { path: directory.to_owned() })
    }

    /// With `keep`, only a slot that names us already; else one that names nobody who may still
    /// have machines.
    fn take(directory: &Path, index: u32, ours: &str, keep: bool) -> io::Result<Option<Self>> {
        let path = directory.join(format!("slot-{index}"));
        let Some(mut file) = open(&path, keep)? else { return Ok(None) };
        match flock(&file.file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            other => other?,
        }
        // Read under the lock: nobody else writes it now.
        let mut owner = String::new();
        file.file.read_to_string(&mut owner)?;
        let owner = owner.trim_end();
        let free = if keep { owner == ours } else { !has_machines(owner) };
        if !free {
            return Ok(None);
        }
        if owner != ours {
            if !file.is_writable {
                // Of a daemon of another user; root alone may take it over.
                return Ok(None);
            }
            let mut file = &file.file;
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{ours}")?;
        }
        Ok(Some(Self { index, _file: file.file }))
    }

    /// Counts from 0.
    pub fn index(&self) -> u32 {
        self.index
    }
}

/// A slot's file, which may be another user's.
struct SlotFile {
    file: File,
    is_writable: bool,
}

/// Others may make files in the directory too: what is no plain file, or has a second name, is no
/// slot, and no link is followed. `None` if it can't be ours.
fn open(path: &Path, keep: bool) -> io::Result<Option<SlotFile>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o644);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    // Not made by the same call that opens: kernels refuse that for files of others.
    let (opened, is_writable) = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && keep => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match options.create_new(true).open(path) {
                // Another daemon was faster, and has it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
                made => (made, true),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            (options.write(false).open(path), false)
        }
        other => (other, true),
    };
    match opened {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ELOOP | libc::ENXIO)) => Ok(None),
        opened => {
            let file = opened?;
            let data = file.metadata()?;
            let plain = data.is_file() && data.nlink() == 1;
            Ok(plain.then_some(SlotFile { file, is_writable }))
        }
    }
}

/// Whether machines of a daemon that is not running may be: its home is what it was and holds some.
/// What can't be read counts as a yes.
fn has_machines(owner: &str) -> bool {
    let Some((instance, home)) = owner.split_once(' ') else { return false };
    let home = Path::new(home);
    match fs::read_to_string(home.join("instance")) {
        Ok(found) if found.trim() != instance => return false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
        Ok(_) | Err(_) => {}
    }
    match fs::read_dir(home.join("vms")) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Daemons of any user make their files in it, and none removes another's.
fn make_shared(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    let data = fs::symlink_metadata(path)?;
    // After the mask; and one that an earlier release made for root alone.
    if data.is_dir() && data.uid() == geteuid().as_raw() && data.mode() & 0o7777 != SHARED {
        fs::set_permissions(path, Permissions::from_mode(SHARED))?;
    }
    Ok(())
}
