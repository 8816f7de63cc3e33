//! The socket on which clients find the daemon.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::{fs::FileTypeExt as _, net::UnixStream},
    path::{Path, PathBuf},
};

use kiln_helper::Request;
use rustix::{fs::Mode, process::umask};
use tokio::net::UnixListener;

use crate::host::helper::{HelperError, helper};

/// In a directory in which we may make nothing.
fn by_helper(path: &Path) -> Result<UnixListener, SocketError> {
    let shown = || path.display().to_string();
    let failed = |source| SocketError::Io { path: shown(), source };
    let Some(helper) = helper() else { return Err(failed(ErrorKind::PermissionDenied.into())) };
    match helper.ask_with(&Request::Listen {}, &[]) {
        Ok((_, mut descriptors)) => {
            let listener = descriptors.pop().ok_or(ErrorKind::InvalidData);
            let listener = listener.map_err(|kind| failed(kind.into()))?;
            let listener = std::os::unix::net::UnixListener::from(listener);
            let ready = listener.set_nonblocking(true);
            ready.and_then(|()| UnixListener::from_std(listener)).map_err(failed)
        }
        Err(HelperError::Failed { source, .. }) => Err(match source.kind() {
            ErrorKind::AddrInUse => SocketError::InUse { path: shown() },
            ErrorKind::AlreadyExists => SocketError::Foreign { path: shown() },
            _ => failed(source),
        }),
        Err(error) => Err(failed(error.into_io())),
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum SocketError {
    #[error("another daemon listens on {path}; give this one its own --socket")]
    InUse { path: String },
    #[error("{path} is not a socket; nothing was touched")]
    Foreign { path: String },
    #[error("the socket {path} could not be made")]
    Io { path: String, source: io::Error },
}

#[derive(Debug)]
pub(super) struct ListeningSocket {
    path: PathBuf,
}

impl ListeningSocket {
    /// Binds with mode 0600. A socket on which nobody listens was left by a daemon that died.
    pub(super) fn bind(path: &Path) -> Result<(Self, UnixListener), SocketError> {
        let shown = || path.display().to_string();
        let failed = |source| SocketError::Io { path: shown(), source };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        match Self::by_ourselves(path) {
            // Its directory is root's alone.
            Err(SocketError::Io { source, .. })
                if source.kind() == ErrorKind::PermissionDenied && helper().is_some() => {}
            bound => return bound,
        }
        let listener = by_helper(path)?;
        Ok((Self { path: path.to_owned() }, listener))
    }

    fn by_ourselves(path: &Path) -> Result<(Self, UnixListener), SocketError> {
        let shown = || path.display().to_string();
        let failed = |source| SocketError::Io { path: shown(), source };
        match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.file_type().is_socket() => {
                return Err(SocketError::Foreign { path: shown() });
            }
            Ok(_) if UnixStream::connect(path).is_ok() => {
                return Err(SocketError::InUse { path: shown() });
            }
            Ok(_) => fs::remove_file(path).map_err(failed)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        // The mask, and not a later chmod: there is no moment in which others may connect.
        let previous = umask(Mode::from_raw_mode(0o177));
        let listener = UnixListener::bind(path);
        umask(previous);
        let listener = listener.map_err(failed)?;
        Ok((Self { path: path.to_owned() }, listener))
    }

    pub(super) fn release(self) {
        drop(self);
    }
}

impl Drop for ListeningSocket {
    fn drop(&mut self) {
        let removed = match fs::remove_file(&self.path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => match helper() {
                Some(helper) => helper.done(&Request::Unlisten {}).map_err(HelperError::into_io),
                None => Err(error),
            },
            removed => removed,
        };
        if let Err(error) = removed {
            tracing::warn!(path = %self.path.display(), %error, "the socket is left behind");
        }
    }
}
