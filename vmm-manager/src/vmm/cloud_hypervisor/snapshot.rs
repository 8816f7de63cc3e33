//! A machine's state in files.
//!
//! Cloud Hypervisor writes a snapshot into a place of its own, from where it is copied to where it
//! is wanted: what was written by then is what it was, whatever the writer does to his own files
//! later. And it reads one from a directory that is made for it, with a configuration that is ours.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

const CONFIG: &str = "config.json";
const STATE: &str = "state.json";
const MEMORY: &str = "memory-ranges";
const NAMES: [&str; 3] = [CONFIG, STATE, MEMORY];
/// Below the directory of a VM that is restored.
const RESTORE: &str = "restore";

/// What a VMM is to be restored from.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) directory: PathBuf,
    /// What it reads there.
    pub(super) files: Vec<PathBuf>,
}

/// Makes a place in the VM's `directory` from which the machine that is `asked` for, and which may
/// read it from now on, is restored.
pub(super) fn prepare(directory: &Path, from: &Path, asked: &mut Value) -> io::Result<Place> {
    let place = directory.join(RESTORE);
    match fs::remove_dir_all(&place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::DirBuilder::new().mode(0o755).create(&place)?;
    for name in [STATE, MEMORY] {
        let (file, here) = (from.join(name), place.join(name));
        let mut source = open(&file)?;
        // A second name, or a copy where that can't be.
        if fs::hard_link(&file, &here).is_err() {
            io::copy(&mut source, &mut create(&here)?)?;
        }
    }
    if let Some(rules) = asked["landlock_rules"].as_array_mut() {
        rules.push(json!({"path": &place, "access": "r"}));
    }
    fs::write(place.join(CONFIG), asked.to_string())?;
    let files = NAMES.map(|name| place.join(name)).to_vec();
    Ok(Place { directory: place, files })
}

/// An empty place to write to.
pub(super) fn clear(place: &Path) -> io::Result<()> {
    for name in NAMES {
        match fs::remove_file(place.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Copies what was written to `place` into `to`.
pub(super) fn take(place: &Path, to: &Path) -> io::Result<()> {
    for name in NAMES {
        let mut source = open(&place.join(name))?;
        // Within a file system that can, both share their blocks.
        io::copy(&mut source, &mut create(&to.join(name))?)?;
    }
    clear(place)
}

fn create(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)
}

/// A VMM that was taken over may leave a link, or something that is no file.
fn open(path: &Path) -> io::Result<fs::File> {
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other(format!("{} is no file", path.display())))
}
