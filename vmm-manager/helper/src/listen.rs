//! The daemon's socket, where kilnd may not make it itself: in a directory that is root's.

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _, chown},
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
};

use rustix::{fs::Mode, process::umask};

use crate::{Policy, Refusal};

/// Binds with mode 0600, for the keeper. A socket on which nobody listens was left by a daemon that
/// died.
pub(crate) fn listen(policy: &Policy) -> Result<io::Result<OwnedFd>, Refusal> {
    check(&policy.socket)?;
    Ok(bind(policy).map(OwnedFd::from))
}

fn bind(policy: &Policy) -> io::Result<UnixListener> {
    let path = &policy.socket;
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(_) if UnixStream::connect(path).is_ok() => return Err(io::ErrorKind::AddrInUse.into()),
        Ok(_) => fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // The mask, and not a later chmod: there is no moment in which others may connect.
    let previous = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    umask(previous);
    let listener = listener?;
    // By name, which nobody but root changes in this directory.
    chown(path, Some(policy.keeper.uid), Some(policy.keeper.gid))?;
    Ok(listener)
}

/// Removes the socket, if it is still the keeper's.
pub(crate) fn unlisten(policy: &Policy) -> Result<io::Result<()>, Refusal> {
    check(&policy.socket)?;
    Ok(match fs::symlink_metadata(&policy.socket) {
        Ok(data) if data.file_type().is_socket() && data.uid() == policy.keeper.uid => {
            fs::remove_file(&policy.socket)
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    })
}

/// Nobody but root can put something else in its place, or a link on the way.
fn check(path: &Path) -> Result<(), Refusal> {
    let refused = || Refusal::Socket { path: path.to_owned() };
    let io = |source| Refusal::Io { path: path.to_owned(), source };
    if !path.is_absolute() {
        return Err(refused());
    }
    for directory in path.ancestors().skip(1) {
        let data = fs::symlink_metadata(directory).map_err(io)?;
        let shared = data.mode() & 0o022 != 0 && data.mode() & 0o1000 == 0;
        // In a sticky one further up, root's entries are root's.
        let last_is_shared = Some(directory) == path.parent() && data.mode() & 0o022 != 0;
        if !data.is_dir() || data.uid() != 0 || shared || last_is_shared {
            return Err(refused());
        }
    }
    Ok(())
}
