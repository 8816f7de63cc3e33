//! Connections to sockets that a VMM made.
//!
//! A VMM that was taken over owns the directory of its sockets, and may put a link where one was: by
//! name alone we would be led to whatever socket of the host it likes. So the name is resolved once,
//! without following any link; what it means is held by a descriptor and looked at; and it is that
//! descriptor which is connected to, whatever the name means by then.

use std::{io, os::fd::AsRawFd as _, path::Path};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use tokio::net::UnixStream;

/// Connects to the socket at `path`, an absolute path with no link in it.
///
/// # Cancel safety
/// Safe: a connection that nobody takes is closed.
pub async fn connect(path: &Path) -> io::Result<UnixStream> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let socket = openat2(CWD, path, flags, Mode::empty(), resolve)?;
    if FileType::from_raw_mode(fstat(&socket)?.st_mode) != FileType::Socket {
        return Err(io::Error::other("what is there is no socket"));
    }
    // The kernel has no connect() by descriptor; this name means the descriptor and nothing else.
    UnixStream::connect(format!("/proc/self/fd/{}", socket.as_raw_fd())).await
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn a_socket_is_reached_and_what_is_none_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        let run = path.join("run");
        fs::create_dir(&run).unwrap();
        let absent = connect(&run.join("s")).await.unwrap_err();
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
        let listener = UnixListener::bind(run.join("s")).unwrap();
        connect(&run.join("s")).await.unwrap();
        // A link in its place, a link on the way, a file, a FIFO.
        let elsewhere = UnixListener::bind(path.join("elsewhere")).unwrap();
        symlink(path.join("elsewhere"), run.join("link")).unwrap();
        assert!(connect(&run.join("link")).await.is_err());
        symlink(&run, path.join("way")).unwrap();
        assert!(connect(&path.join("way/s")).await.is_err());
        fs::write(run.join("file"), "").unwrap();
        assert!(connect(&run.join("file")).await.is_err());
        drop(listener);
        let dead = connect(&run.join("s")).await.unwrap_err();
        assert_eq!(dead.kind(), io::ErrorKind::ConnectionRefused);
        drop(elsewhere);
    }
}
