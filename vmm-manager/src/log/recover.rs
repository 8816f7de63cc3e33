//! Makes a log that a killed daemon left one that can be appended to.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::Path,
};

use super::{
    OpenError,
    segment::{self, Segment},
    survey::{Survey, survey},
};

#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub(super) segments: Vec<Segment>,
    /// Of the last one.
    pub(super) file: Option<File>,
}

/// Cuts off what is torn, and removes what is no part of the log. Whatever moment this is killed
/// in, the next one finds the same log. Blocks.
pub(super) fn recover(directory: &Path) -> Result<Recovered, OpenError> {
    let Survey { segments, spare } = survey(directory)?;
    // The last first: what is left is always a row without a hole that the quota did not make.
    for number in spare.into_iter().rev() {
        let path = segment::path(directory, number);
        fs::remove_file(&path).map_err(|source| OpenError::Io { path, source })?;
    }
    let file = segments.last().map(|last| cut(directory, last)).transpose()?;
    Ok(Recovered { segments, file })
}

/// The last segment's file, without a torn record and without a seal.
fn cut(directory: &Path, last: &Segment) -> Result<File, OpenError> {
    let path = segment::path(directory, last.number);
    let cut = || -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        file.set_len(last.file_bytes)?;
        Ok(file)
    };
    cut().map_err(|source| OpenError::Io { path: path.clone(), source })
}
