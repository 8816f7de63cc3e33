//! The process of a supervisor, and our two lines to it.

use std::{io, os::fd::AsFd as _, path::Path, process::Stdio};

use kiln_helper::Request;
use kiln_shim::{Order, line};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::unix::pipe,
    process::Command,
    task::spawn_blocking,
};

use crate::{
    host::helper::{Helper, HelperError},
    vmm::VmmError,
};

/// Dropping the leash ends what was started.
pub(super) struct Launch {
    pub(super) leash: Box<dyn AsyncWrite + Send + Unpin>,
    pub(super) report: Box<dyn AsyncRead + Send + Unpin>,
}

/// With the rights that we have: the order goes ahead of what the leash says later.
pub(super) async fn by_ourselves(program: &Path, order: &Order) -> Result<Launch, VmmError> {
    let spawn = |source| VmmError::Spawn { program: program.display().to_string(), source };
    // Neither killed with us nor ours to wait for: what it does first is to leave us.
    let mut launcher = Command::new(program)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(spawn)?;
    let (Some(mut leash), Some(report)) = (launcher.stdin.take(), launcher.stdout.take()) else {
        return Err(spawn(io::ErrorKind::BrokenPipe.into()));
    };
    // A supervisor that ends before it has read the order says why.
    let _its_report_tells = leash.write_all(&line(order)).await;
    Ok(Launch { leash: Box::new(leash), report: Box::new(report) })
}

/// The helper gives the order, once it has checked it: nothing that we say on the leash is one.
pub(super) async fn by_helper(helper: &'static Helper, order: &Order) -> Result<Launch, VmmError> {
    let io = |source| VmmError::Io { what: "the supervisor", source };
    let (hears, leash) = io::pipe().map_err(io)?;
    let (report, says) = io::pipe().map_err(io)?;
    let leash = pipe::Sender::from_owned_fd(leash.into()).map_err(io)?;
    let report = pipe::Receiver::from_owned_fd(report.into()).map_err(io)?;
    let request = Request::StartSupervisor { order: Box::new(order.clone()) };
    let ask = move || helper.ask_with(&request, &[hears.as_fd(), says.as_fd()]);
    match spawn_blocking(ask).await.map_err(|error| io(error.into()))? {
        Ok(_) => Ok(Launch { leash: Box::new(leash), report: Box::new(report) }),
        Err(HelperError::Refused { reason }) => {
            Err(VmmError::Refused { command: "the start", reason })
        }
        Err(HelperError::Failed { what, source }) => Err(VmmError::Spawn { program: what, source }),
        Err(error) => Err(io(error.into_io())),
    }
}
