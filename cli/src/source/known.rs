//! Sending what is known by its digest: not at all where kilnd has it, and otherwise on from where
//! an upload that was cut off had come to.

use std::{
    io::ErrorKind,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use bytes::Bytes;
use kiln_context::{Context, ContextError, Identity};
use kiln_proto::v1::{self, upload_source_request::Event};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};
use tokio_stream::{StreamExt, once};

use super::{
    upload::{request, requests},
    whole::{WholeFile, WholeFileError},
};
use crate::{
    daemon::{Daemon, DaemonError},
    display::size,
    progress::Progress,
};

const QUEUE: usize = 8;
/// How often what changes while it is sent is begun anew.
const TRIES: u32 = 3;

/// What is sent.
#[derive(Debug)]
pub(crate) enum Known {
    Context(Context),
    File(WholeFile),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum KnownError {
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    File(#[from] WholeFileError),
}

impl Known {
    fn identify(&mut self) -> Result<Identity, KnownError> {
        match self {
            Self::Context(context) => Ok(context.identify()?),
            Self::File(file) => Ok(file.identify()?),
        }
    }

    fn take_warnings(&mut self) -> Vec<String> {
        match self {
            Self::Context(context) => context.take_warnings(),
            Self::File(_) => Vec::new(),
        }
    }

    fn write_from(
        &mut self,
        offset: u64,
        take: &mut dyn FnMut(Bytes) -> std::io::Result<()>,
    ) -> Result<(), KnownError> {
        match self {
            Self::Context(context) => Ok(context.write_from(offset, take)?),
            Self::File(file) => Ok(file.write_from(offset, take)?),
        }
    }

    fn renew(&mut self) -> Result<(), KnownError> {
        match self {
            Self::Context(context) => Ok(context.renew()?),
            Self::File(file) => Ok(file.renew()?),
        }
    }
}

impl KnownError {
    /// Something wrote to it while it was read: another try may do.
    fn is_change(&self) -> bool {
        match self {
            Self::Context(error) => error.is_change(),
            Self::File(error) => matches!(error, WholeFileError::Changed { .. }),
        }
    }

    /// The other end took no more.
    fn is_write(&self) -> bool {
        match self {
            Self::Context(error) => error.is_write(),
            Self::File(error) => matches!(error, WholeFileError::Write(_)),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("cannot read {name}")]
    Read { name: String, source: KnownError },
    #[error("could not send {name}")]
    Daemon { name: String, source: DaemonError },
    #[error("{name} could not be packed: the thread that did it is gone")]
    Thread { name: String },
}

/// What became of one try.
enum End {
    /// The id of the source.
    Sent(String),
    /// It is not what it was: another try may do.
    Changed(SendError),
    Lost(DaemonError),
}

/// The id of the source. `name` is for people.
pub(crate) async fn send(
    daemon: &Daemon,
    project: &str,
    name: &str,
    known: Known,
    progress: &Progress,
) -> Result<String, SendError> {
    let sending = Sending { daemon, project, name, progress };
    let known = Arc::new(Mutex::new(known));
    let mut patience = daemon.patience();
    let mut tries = 1;
    loop {
        match sending.attempt(&known).await? {
            End::Sent(id) => return Ok(id),
            End::Lost(error) => {
                patience.endure(error).await.map_err(|source| sending.failed(source))?;
            }
            End::Changed(error) if tries == TRIES => return Err(error),
            End::Changed(_) => {
                tries += 1;
                sending.with(&known, Known::renew).await?;
            }
        }
    }
}

struct Sending<'a> {
    daemon: &'a Daemon,
    project: &'a str,
    name: &'a str,
    progress: &'a Progress,
}

impl Sending<'_> {
    async fn attempt(&self, known: &Arc<Mutex<Known>>) -> Result<End, SendError> {
        self.progress.say(format!("reading {}", self.name));
        let identified = self.with(known, |known| {
            let identity = known.identify()?;
            Ok((identity, known.take_warnings()))
        });
        let (identity, warnings) = identified.await?;
        for warning in warnings {
            self.progress.notice(&warning);
        }
        let found = self.daemon.find_source(v1::FindSourceRequest {
            project: self.project.to_owned(),
            digest: identity.digest.clone(),
            size_bytes: identity.size,
        });
        let v1::FindSourceResponse { source_id, partial_bytes } =
            found.await.map_err(|source| self.failed(source))?;
        if !source_id.is_empty() {
            return Ok(End::Sent(source_id));
        }
        // More than there is would be another's.
        let offset = if partial_bytes <= identity.size { partial_bytes } else { 0 };
        self.upload(known, identity, offset).await
    }

    async fn upload(
        &self,
        known: &Arc<Mutex<Known>>,
        identity: Identity,
        offset: u64,
    ) -> Result<End, SendError> {
        let start = v1::UploadStart {
            project: self.project.to_owned(),
            size_bytes: identity.size,
            digest: identity.digest,
            offset,
        };
        let (chunks, receiver) = mpsc::channel(QUEUE);
        let (done, verdict) = oneshot::channel();
        let (known, progress) = (Arc::clone(known), self.progress.clone());
        let (name, whole) = (self.name.to_owned(), identity.size);
        thread::spawn(move || {
            let mut at = offset;
            let mut take = |chunk: Bytes| {
                at += chunk.len() as u64;
                progress.say(format!("sending {name}: {} of {}", size(at), size(whole)));
                chunks.blocking_send(Some(chunk)).map_err(|_| ErrorKind::BrokenPipe.into())
            };
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            let written = known.write_from(offset, &mut take);
            if written.is_ok() {
                let _ = chunks.blocking_send(None);
            }
            let _ = done.send(written);
        });
        let first = once(request(Event::Start(start)));
        let mut call = pin!(self.daemon.upload(first.chain(requests(receiver))));
        let mut verdict = pin!(verdict);
        let answer = tokio::select! {
            biased;
            verdict = &mut verdict => match verdict {
                // All is on its way, or nobody takes it any more, which the call explains.
                Ok(Ok(())) => call.await,
                Ok(Err(error)) if error.is_write() => call.await,
                Ok(Err(error)) if error.is_change() => {
                    return Ok(End::Changed(self.unread(error)));
                }
                Ok(Err(error)) => return Err(self.unread(error)),
                Err(_) => return Err(SendError::Thread { name: self.name.to_owned() }),
            },
            answer = &mut call => answer,
        };
        match answer {
            Ok(v1::UploadSourceResponse { source_id, .. }) => Ok(End::Sent(source_id)),
            Err(error) if error.is_loss() => Ok(End::Lost(error)),
            // Other bytes than were said: a cache that was wrong, or a part that was not ours.
            Err(error @ DaemonError::Refused { .. }) if is_of_start(&error) => {
                Ok(End::Changed(self.failed(error)))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Where reading may take its time.
    async fn with<T: Send + 'static>(
        &self,
        known: &Arc<Mutex<Known>>,
        work: impl FnOnce(&mut Known) -> Result<T, KnownError> + Send + 'static,
    ) -> Result<T, SendError> {
        let known = Arc::clone(known);
        let done =
            spawn_blocking(move || work(&mut known.lock().unwrap_or_else(PoisonError::into_inner)));
        let done = done.await.map_err(|_| SendError::Thread { name: self.name.to_owned() })?;
        done.map_err(|error| self.unread(error))
    }

    fn unread(&self, source: KnownError) -> SendError {
        SendError::Read { name: self.name.to_owned(), source }
    }

    fn failed(&self, source: DaemonError) -> SendError {
        SendError::Daemon { name: self.name.to_owned(), source }
    }
}

/// As kilnd names what it refuses.
fn is_of_start(error: &DaemonError) -> bool {
    let message = error.to_string();
    message.contains("start.digest") || message.contains("start.offset")
}
