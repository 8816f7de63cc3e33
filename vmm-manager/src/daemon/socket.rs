//! The socket on which clients find the daemon.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::{fs::FileTypeExt as _, net::UnixStream},
    path::{Path, PathBuf},
};

use rustix::{fs::Mode, process::umask};
use tokio::net::UnixListener;

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
        Ok((Self { path: path.to_owned() }, listener.map_err(failed)?))
    }

    pub(super) fn release(self) {
        drop(self);
    }
}

impl Drop for ListeningSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the socket is left behind");
        }
    }
}
