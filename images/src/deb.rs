//! What is in a Debian package, without installing it.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use crate::program::{Program, ProgramError};

/// Why a package could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    #[error("{0} could not be read")]
    Io(&'static str, #[source] io::Error),
    #[error(transparent)]
    Program(#[from] ProgramError),
}

/// The regular files of a package whose path `wanted` accepts, with paths as in `boot/config`.
/// `scratch` holds the unpacked tar meanwhile.
pub(crate) fn files(
    package: &Path,
    scratch: &Path,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(String, Vec<u8>)>, DebError> {
    let io = |source| DebError::Io("the package's tar", source);
    let tar = File::create_new(scratch).map_err(io)?;
    Program::new("dpkg-deb").arg("--fsys-tarfile").arg(package).output_into(tar)?;
    let mut files = Vec::new();
    let mut archive = tar::Archive::new(io::BufReader::new(File::open(scratch).map_err(io)?));
    for entry in archive.entries().map_err(io)? {
        let mut entry = entry.map_err(io)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.trim_start_matches("./").to_owned();
        if entry.header().entry_type().is_file() && wanted(&path) {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(io)?;
            files.push((path, content));
        }
    }
    Ok(files)
}
