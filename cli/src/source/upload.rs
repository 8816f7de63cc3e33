//! Sending one source, again from its beginning when kilnd goes away meanwhile.

use std::{
    io::{self, ErrorKind, Write},
    pin::pin,
    thread,
};

use bytes::{Bytes, BytesMut};
use kiln_proto::v1::{self, upload_source_request::Event};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};

use super::{Content, ContentError};
use crate::{
    daemon::{Daemon, DaemonError},
    digest::digest,
    display::size,
    progress::Progress,
};

const CHUNK: usize = 64 << 10;
const QUEUE: usize = 4;

#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error("could not send {name}")]
    Daemon { name: String, source: DaemonError },
    #[error("could not send {name}, and it cannot be read a second time")]
    Once { name: String, source: DaemonError },
    #[error("{name} did not arrive as it was sent ({sent}): kilnd has {arrived}")]
    Differs { name: String, sent: String, arrived: String },
}

/// The id of the source.
pub(crate) async fn upload(
    daemon: &Daemon,
    project: &str,
    content: &Content,
    progress: &Progress,
) -> Result<String, UploadError> {
    let mut patience = daemon.patience();
    loop {
        let source = match attempt(daemon, project, content, progress).await {
            Err(UploadError::Daemon { source, .. }) => source,
            done => return done,
        };
        let name = content.name();
        if source.is_loss() && !content.is_repeatable() {
            return Err(UploadError::Once { name, source });
        }
        patience.endure(source).await.map_err(|source| UploadError::Daemon { name, source })?;
    }
}

async fn attempt(
    daemon: &Daemon,
    project: &str,
    content: &Content,
    progress: &Progress,
) -> Result<String, UploadError> {
    let start = v1::UploadStart {
        project: project.to_owned(),
        size_bytes: content.size()?,
        ..Default::default()
    };
    let (chunks, receiver) = mpsc::channel(QUEUE);
    let (done, verdict) = oneshot::channel();
    let (thread_content, thread_progress) = (content.clone(), progress.clone());
    thread::spawn(move || {
        let mut sender = Sender::new(chunks, &thread_content, &thread_progress);
        let warn = |message: String| thread_progress.notice(&message);
        let written = thread_content.write_to(&mut sender, warn);
        // Before the stream can end: what is not whole must not look as if it were.
        let _ = done.send(written.and_then(|()| sender.finish().map_err(ContentError::Write)));
    });
    let first = tokio_stream::once(request(Event::Start(start)));
    let mut call = pin!(daemon.upload(first.chain(requests(receiver))));
    let mut verdict = pin!(verdict);
    let wrong = |source| UploadError::Daemon { name: content.name(), source };
    let sent = tokio::select! {
        biased;
        verdict = &mut verdict => match verdict {
            Ok(Err(ContentError::Write(_) | ContentError::Pack(crate::archive::PackError::Write(_)))) => {
                // The call ended before the bytes did, and says why.
                call.await.map_err(wrong)?;
                return Err(wrong(daemon.cut_short("the upload")));
            }
            Ok(written) => written?,
            Err(_) => return Err(wrong(daemon.cut_short("the upload"))),
        },
        answer = &mut call => {
            answer.map_err(wrong)?;
            return Err(wrong(daemon.cut_short("the upload")));
        }
    };
    let v1::UploadSourceResponse { source_id, size_bytes, digest } = call.await.map_err(wrong)?;
    if (size_bytes, &digest) != (sent.length, &sent.digest) {
        let sent = format!("{} bytes, {}", sent.length, sent.digest);
        let arrived = format!("{size_bytes} bytes, {digest}");
        return Err(UploadError::Differs { name: content.name(), sent, arrived });
    }
    Ok(source_id)
}

pub(super) fn request(event: Event) -> v1::UploadSourceRequest {
    v1::UploadSourceRequest { event: Some(event) }
}

/// Ends at the mark alone: a channel that is closed without it leaves the stream open, and the call
/// is dropped.
pub(super) fn requests(
    chunks: mpsc::Receiver<Option<Bytes>>,
) -> impl Stream<Item = v1::UploadSourceRequest> + Send {
    let broken = tokio_stream::pending();
    ReceiverStream::new(chunks)
        .map(Some)
        .chain(broken)
        .take_while(|chunk| chunk != &Some(None))
        .filter_map(|chunk| chunk.flatten().map(|bytes| request(Event::Data(bytes))))
}

#[derive(Debug)]
struct Sent {
    length: u64,
    digest: String,
}

/// Bytes on their way, gathered into chunks.
struct Sender<'a> {
    /// `None` is the end.
    chunks: mpsc::Sender<Option<Bytes>>,
    gathered: BytesMut,
    hash: Sha256,
    length: u64,
    name: String,
    progress: &'a Progress,
}

impl<'a> Sender<'a> {
    fn new(chunks: mpsc::Sender<Option<Bytes>>, content: &Content, progress: &'a Progress) -> Self {
        let gathered = BytesMut::with_capacity(CHUNK);
        let name = content.name();
        Self { chunks, gathered, hash: Sha256::new(), length: 0, name, progress }
    }

    fn send(&self, chunk: Option<Bytes>) -> io::Result<()> {
        self.chunks.blocking_send(chunk).map_err(|_| ErrorKind::BrokenPipe.into())
    }

    fn pass_on(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let chunk = self.gathered.split().freeze();
        self.hash.update(&chunk);
        self.length += chunk.len() as u64;
        self.send(Some(chunk))?;
        self.gathered.reserve(CHUNK);
        self.progress.say(format!("sending {}: {}", self.name, size(self.length)));
        Ok(())
    }

    fn finish(mut self) -> io::Result<Sent> {
        self.pass_on()?;
        self.send(None)?;
        Ok(Sent { length: self.length, digest: digest(self.hash) })
    }
}

impl Write for Sender<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK - self.gathered.len();
        let part = &bytes[..bytes.len().min(room)];
        self.gathered.extend_from_slice(part);
        if self.gathered.len() == CHUNK {
            self.pass_on()?;
        }
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
