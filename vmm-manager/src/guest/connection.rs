//! From a socket to a connection that has not been greeted.

use std::{path::Path, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{Guest, GuestError, GuestHello, Hello, dial, session::Session, wire};
use crate::vmm::Machine;

const PHASE: &str = "the call";

/// A stream that an agent accepted. Nothing is known of it yet.
#[derive(Debug)]
pub struct Connection {
    session: Session,
}

/// Calls the agent behind `socket` until it answers, for at most `limit`; at once an error when
/// `machine` ends.
///
/// # Cancel safety
/// Safe for us. A bridge may not survive a call that was dropped (see `dial`), so one that was
/// cancelled is not to be made again.
pub async fn connect(
    socket: &Path,
    limit: Duration,
    machine: &dyn Machine,
) -> Result<Connection, GuestError> {
    let call = async {
        machine.vsock_attached().await;
        Connection::over(dial::until_accepted(socket).await?).await
    };
    tokio::select! {
        biased;
        exit = machine.wait() => {
            Err(GuestError::MachineExited { phase: PHASE, exit, serial: machine.serial().await })
        }
        called = timeout(limit, call) => {
            called.unwrap_or(Err(GuestError::Silent { phase: PHASE, limit }))
        }
    }
}

impl Connection {
    /// Speaks over a stream whose other end is an agent, whatever lies between.
    pub async fn over<S>(stream: S) -> Result<Self, GuestError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (wire, hold) = wire::open(stream)
            .await
            .map_err(|error| GuestError::Lost { phase: PHASE, cause: error.to_string() })?;
        Ok(Self { session: Session::new(wire, hold) })
    }

    /// Greets the agent. A connection that could not be greeted is of no use, so it is consumed.
    pub async fn hello(self, hello: Hello) -> Result<(Guest, GuestHello), GuestError> {
        let limit = hello.limit;
        let greeting = self.session.hello(hello.request()?, limit).await?;
        Ok((Guest::new(self.session), greeting))
    }
}
