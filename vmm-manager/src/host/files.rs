//! The removal of what machines leave.

use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use kiln_helper::Request;

use super::helper::helper;

/// For a supervisor whose start was given up to see that, and to make no more files.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);

/// Removes what has the name of a VM's directory, whatever it is; a link is removed and not
/// followed. What a program made in it that is not ours to remove, the helper removes.
pub fn remove_vm(path: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    let end = Instant::now() + PATIENCE;
    let all = |path: &Path| loop {
        match fs::remove_dir_all(path) {
            Err(error)
                if error.kind() == io::ErrorKind::DirectoryNotEmpty && Instant::now() < end =>
            {
                thread::sleep(PAUSE);
            }
            removed => return removed,
        }
    };
    let removed = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(data) if data.is_dir() => gone(all(path)),
        Ok(_) => return gone(fs::remove_file(path)),
    };
    match (removed, helper(), path.file_name()) {
        (Err(error), Some(helper), Some(job))
            if error.kind() == io::ErrorKind::PermissionDenied =>
        {
            let job = job.to_string_lossy().into_owned();
            helper.done(&Request::RemoveFiles { job }).map_err(super::helper::HelperError::into_io)
        }
        (removed, ..) => removed,
    }
}
