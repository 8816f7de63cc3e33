//! Opening the socket, with a clear word when that fails.

use std::{
    io::{self, ErrorKind},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// The most of one stream that waits unread in this process.
const STREAM_WINDOW: u32 = 64 << 10;
/// Far more than one stream may hold, for two reasons. A stuck attachment leaves room for the call
/// that cancels it. And h2 hangs up (`too_many_data_frames`) once unread frames of less than 256
/// bytes have cost half of this window, each counting what it falls short of 256: a full stream
/// window of the smallest messages, 8 bytes each, costs 64 KiB / 8 × 248 = 2 MiB.
const CONNECTION_WINDOW: u32 = 8 << 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(
        "there is no socket at {0}: is kilnd running? start it with `kilnd --guest-image DIR --socket {0}`, or name \
         its socket with --socket or KILN_SOCKET",
        path.display()
    )]
    Missing { path: PathBuf },
    #[error(
        "may not open {}: the socket belongs to the user who runs kilnd; become that user (sudo), \
         or name another socket with --socket or KILN_SOCKET",
        path.display()
    )]
    Denied { path: PathBuf },
    #[error(
        "nobody listens on {0}: kilnd has ended and left its socket behind; start it again with \
         `kilnd --guest-image DIR --socket {0}`",
        path.display()
    )]
    NobodyListens { path: PathBuf },
    #[error("{} is not a socket: name kilnd's with --socket or KILN_SOCKET", path.display())]
    NotASocket { path: PathBuf },
    #[error("cannot connect to kilnd at {}", path.display())]
    Other { path: PathBuf, source: io::Error },
}

impl ConnectError {
    fn new(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::NotFound => Self::Missing { path },
            ErrorKind::PermissionDenied => Self::Denied { path },
            ErrorKind::ConnectionRefused if is_socket(&path) => Self::NobodyListens { path },
            ErrorKind::ConnectionRefused => Self::NotASocket { path },
            _ => Self::Other { path, source },
        }
    }
}

/// Connects, so that a missing kilnd is known before anything is asked of it. A channel that lost
/// its connection opens another one when it is used again.
pub(super) async fn channel(path: &Path) -> Result<Channel, ConnectError> {
    let wrong = |source| ConnectError::new(path, source);
    let first = UnixStream::connect(path).await.map_err(wrong)?;
    let first = Arc::new(Mutex::new(Some(first)));
    let path_again = path.to_owned();
    let connector = service_fn(move |_| {
        let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let path = path_again.clone();
        async move {
            match first {
                Some(stream) => Ok(TokioIo::new(stream)),
                None => UnixStream::connect(path).await.map(TokioIo::new),
            }
        }
    });
    // Nobody looks at the authority; HTTP/2 wants one.
    Endpoint::from_static("http://kilnd")
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .connect_with_connector(connector)
        .await
        .map_err(|error| wrong(io::Error::other(error)))
}

fn is_socket(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(path: &Path, expected: &str) {
        let message = channel(path).await.unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(message.contains(&path.display().to_string()), "{message}");
    }

    #[tokio::test]
    async fn a_daemon_out_of_reach_is_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        check(&directory.path().join("none.sock"), "is kilnd running?").await;

        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        check(&file, "is not a socket").await;

        let left = directory.path().join("left.sock");
        drop(std::os::unix::net::UnixListener::bind(&left).unwrap());
        check(&left, "nobody listens").await;

        check(&directory.path().join("x".repeat(120)), "cannot connect").await;
    }

    #[test]
    fn a_socket_of_somebody_else_is_denied() {
        let error = ConnectError::new(Path::new("/run/x"), ErrorKind::PermissionDenied.into());
        assert!(error.to_string().contains("may not open /run/x"), "{error}");
    }
}
