//! What a machine was asked to be, written down beside it: a later daemon that takes the machine up
//! compares what runs with this.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// In the VM's own directory, where nothing of the VM can write.
const FILE: &str = "asked.json";
const MAX_BYTES: u64 = 1024 * 1024;

/// Keeps `asked`. A reader sees all of it or what was there before; nothing of it matters after a
/// crash of the host, which ends the machine.
pub(super) fn write(directory: &Path, asked: &Value) -> io::Result<()> {
    let fresh = directory.join("asked.json.new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(asked.to_string().as_bytes())?;
    fs::rename(&fresh, path(directory))
}

pub(super) fn read(directory: &Path) -> io::Result<Value> {
    use io::Read as _;
    let mut text = Vec::new();
    fs::File::open(path(directory))?.take(MAX_BYTES).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

fn path(directory: &Path) -> PathBuf {
    directory.join(FILE)
}
