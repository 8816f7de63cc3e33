//! kilnd's side of `kiln-helper`: everything that it needs root for, and is not root itself.
//!
//! Privileges are a process's, and so is its helper: it is set once, before the daemon's first
//! thread, and every module of `host` and the supervisors' side ask here whether there is one. Where
//! there is none, kilnd does what it may with its own rights.

use std::{
    io,
    os::{
        fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
        unix::process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use kiln_helper::{Answer, Channel, ChannelError, Message, Policy, Request};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::{Interest, unix::AsyncFd};

static HELPER: OnceLock<Helper> = OnceLock::new();

/// Our end of the conversation.
#[derive(Debug)]
pub(crate) struct Helper {
    /// Locked for one question and its answer.
    channel: Mutex<Channel>,
    /// Of its process, which is our child.
    pidfd: OwnedFd,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HelperError {
    #[error("the helper {program} could not be started")]
    Start { program: PathBuf, source: io::Error },
    #[error("the helper was started before")]
    Twice,
    /// It was killed, or has failed; its log says of what.
    #[error("the helper is gone")]
    Channel(#[from] ChannelError),
    #[error("the helper refuses: {reason}")]
    Refused { reason: String },
    #[error("{what}")]
    Failed { what: String, source: io::Error },
    #[error("the helper answers {answer}")]
    Answer { answer: String },
}

/// Starts the program, root's as we are now, for the rest of this process's life.
pub(crate) fn start(program: &Path, policy: &Policy) -> Result<(), HelperError> {
    let failed = |source: io::Error| HelperError::Start { program: program.to_owned(), source };
    let (ours, theirs) = Channel::pair().map_err(failed)?;
    let number = theirs.socket().as_raw_fd();
    let mut command = Command::new(program);
    command
        // Seen in process lists alone.
        .arg(&policy.home)
        .env_clear()
        // Where it finds nft, whoever started us.
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    // SAFETY: system calls on descriptors that are open until the program has been started.
    unsafe {
        command.pre_exec(move || {
            let set = if number == kiln_helper::SOCKET {
                libc::fcntl(number, libc::F_SETFD, 0)
            } else {
                libc::dup2(number, kiln_helper::SOCKET)
            };
            if set == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
        });
    }
    let mut child = command.spawn().map_err(failed)?;
    let pid = Pid::from_child(&child);
    let said = child.stdin.take().map(|stdin| serde_json::to_writer(stdin, policy));
    said.transpose().map_err(|error| failed(error.into()))?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| failed(error.into()))?;
    let helper = Helper { channel: Mutex::new(ours), pidfd };
    // It does not start when it does not understand its policy; better known now.
    helper.done(&Request::ReleaseCgroups {})?;
    HELPER.set(helper).map_err(|_| HelperError::Twice)
}

/// Whether there is one, who is asked.
pub(crate) fn helper() -> Option<&'static Helper> {
    HELPER.get()
}

impl Helper {
    pub(crate) fn ask(&self, request: &Request) -> Result<Answer, HelperError> {
        self.ask_with(request, &[]).map(|(answer, _)| answer)
    }

    /// Waits for the answer, which takes as long as a few system calls do.
    pub(crate) fn ask_with(
        &self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(Answer, Vec<OwnedFd>), HelperError> {
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        channel.send(request, descriptors)?;
        let Message { body, descriptors } = channel.receive()?;
        match body {
            Answer::Refused { reason } => Err(HelperError::Refused { reason }),
            Answer::Failed { what, errno } => {
                Err(HelperError::Failed { what, source: io::Error::from_raw_os_error(errno) })
            }
            answer => Ok((answer, descriptors)),
        }
    }

    /// The same where it has nothing to tell but that it is done.
    pub(crate) fn done(&self, request: &Request) -> Result<(), HelperError> {
        match self.ask(request)? {
            Answer::Done {} => Ok(()),
            other => Err(HelperError::answer(&other)),
        }
    }
}

impl HelperError {
    pub(crate) fn answer(answer: &Answer) -> Self {
        Self::Answer { answer: format!("{answer:?}") }
    }

    /// As whoever asked the kernel himself would see it.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Failed { source, .. } => source,
            other => io::Error::other(other),
        }
    }
}

/// Resolves when the helper has ended: nothing can be started or removed any more. Never where there
/// is none.
///
/// # Cancel safety
/// Safe: nothing is consumed.
pub(crate) async fn lost() {
    if let Some(helper) = helper()
        // SAFETY: the descriptor is never closed: who holds it lives as long as the process.
        && let Ok(watched) = unsafe {
            AsyncFd::register_with_interest(helper.pidfd.as_fd(), Interest::READABLE)
        }
        && watched.readable().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}
