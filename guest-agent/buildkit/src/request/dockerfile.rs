//! The Dockerfile's name.

use std::fs;

use crate::Dockerfile;

const USUAL: &str = "Dockerfile";

/// `dockerfile` stands in for the usual one, where that is not there.
pub(super) fn name(file: &Dockerfile) -> String {
    let Dockerfile { directory, name } = file;
    let (above, last) = match name.rsplit_once('/') {
        Some((above, last)) => (Some(above), last),
        None => (None, name.as_str()),
    };
    let directory = above.map_or_else(|| directory.clone(), |above| directory.join(above));
    if last != USUAL || fs::symlink_metadata(directory.join(USUAL)).is_ok() {
        return name.clone();
    }
    let lower = USUAL.to_lowercase();
    if fs::symlink_metadata(directory.join(&lower)).is_err() {
        return name.clone();
    }
    above.map_or_else(|| lower.clone(), |above| format!("{above}/{lower}"))
}
