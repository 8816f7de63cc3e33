//! `vhost-device-vsock`: the process between a guest's vsock and a unix socket on the host.

mod rings;

use std::{io, os::fd::OwnedFd, path::Path, time::Duration};

use tokio::{
    net::UnixStream,
    time::{Instant, sleep},
};

use crate::vmm::{
    VmmError,
    process::{Program, Supervised},
};

pub use self::rings::attached;

/// Relative to the VM's directory, so that the 107 bytes of a socket's path are ours to spend.
pub(super) const VHOST_SOCKET: &str = "vhost.sock";
pub(super) const VSOCK_SOCKET: &str = "vsock.sock";

/// Each guest has a bridge of its own, so they can all have the first address.
const GUEST_CID: &str = "3";
const START_LIMIT: Duration = Duration::from_secs(10);
/// It takes a few milliseconds to listen.
const PAUSE: Duration = Duration::from_millis(1);

/// Starts a bridge in `directory` and connects to its vhost-user socket: the connection is QEMU's.
pub(super) async fn start(
    program: &Path,
    directory: &Path,
) -> Result<(Supervised, OwnedFd), VmmError> {
    let shown = program.display().to_string();
    let child = Program::new(program)
        .arguments(["--guest-cid", GUEST_CID, "--socket", VHOST_SOCKET])
        .arguments(["--uds-path", VSOCK_SOCKET])
        .directory(directory);
    let child = Supervised::spawn(child)
        .await
        .map_err(|source| VmmError::Spawn { program: shown.clone(), source })?;
    let connection = connect(&child, &directory.join(VHOST_SOCKET), shown).await?;
    Ok((child, connection))
}

/// It serves its first connection and no other meanwhile, so this one is made to be kept.
async fn connect(child: &Supervised, socket: &Path, program: String) -> Result<OwnedFd, VmmError> {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    let deadline = Instant::now() + START_LIMIT;
    let io = |source| VmmError::Io { what: "the socket of the vsock bridge", source };
    loop {
        match UnixStream::connect(socket).await {
            Ok(stream) => {
                let stream = stream.into_std().map_err(io)?;
                // QEMU expects a descriptor that it may itself set as it likes.
                stream.set_nonblocking(false).map_err(io)?;
                return Ok(stream.into());
            }
            // Not bound, or bound and not yet listening.
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => {}
            Err(error) => return Err(io(error)),
        }
        let stderr = match child.exited() {
            Some(exit) => format!(": it {exit}: {}", child.stderr()),
            None if Instant::now() > deadline => format!(": {}", child.stderr()),
            None => {
                sleep(PAUSE).await;
                continue;
            }
        };
        return Err(VmmError::NotReady { program, what: "its socket", limit: START_LIMIT, stderr });
    }
}
