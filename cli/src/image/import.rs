//! `kiln image import`: a tar on its way into the host's store.
//!
//! ```text
//! file or stdin (a thread) ──4 chunks──▶ the request stream ──▶ kilnd
//!        └─ an error ─▶ the call is dropped, so kilnd does not take a part for the whole
//! ```

mod sender;

use std::{io::IsTerminal, path::Path, pin::pin, thread};

use bytes::Bytes;
use kiln_proto::v1::{self, import_image_request::Event};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};

use self::sender::Sender;
use crate::{
    args::ImportArguments,
    daemon::{Daemon, DaemonError},
    output,
    progress::Progress,
    record::Image,
    source::{Content, ContentError},
};

const QUEUE: usize = 4;

#[derive(Debug, thiserror::Error)]
enum ImportError {
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    #[error("stdin is a terminal: name a file, or pipe a tar in")]
    Terminal,
    #[error("could not send stdin, and it cannot be read a second time")]
    Once(#[source] DaemonError),
}

pub(super) async fn run(daemon: &Daemon, arguments: ImportArguments) -> anyhow::Result<u8> {
    let ImportArguments { file, target, quiet, json } = arguments;
    let content = content(&file)?;
    let daemon = daemon.clone().quietly(quiet);
    let progress = Progress::start(quiet);
    let target = target.unwrap_or_default();
    let images = tokio::select! {
        imported = import(&daemon, &content, &target, &progress) => imported?,
        interrupted = crate::run::interrupted() => return interrupted,
    };
    progress.clear();
    for image in &images {
        if json {
            output::print_json(image)?;
        } else {
            output::print_line(&image.pinned())?;
        }
    }
    Ok(0)
}

fn content(file: &Path) -> Result<Content, ImportError> {
    if file != Path::new("-") {
        return Ok(Content::file(file)?);
    }
    if std::io::stdin().is_terminal() {
        return Err(ImportError::Terminal);
    }
    Ok(Content::Stdin)
}

async fn import(
    daemon: &Daemon,
    content: &Content,
    target: &str,
    progress: &Progress,
) -> Result<Vec<Image>, ImportError> {
    let mut patience = daemon.patience();
    loop {
        match attempt(daemon, content, target, progress).await {
            Err(ImportError::Daemon(error)) if error.is_loss() && !content.is_repeatable() => {
                return Err(ImportError::Once(error));
            }
            Err(ImportError::Daemon(error)) => patience.endure(error).await?,
            imported => return imported,
        }
    }
}

async fn attempt(
    daemon: &Daemon,
    content: &Content,
    target: &str,
    progress: &Progress,
) -> Result<Vec<Image>, ImportError> {
    let (chunks, receiver) = mpsc::channel(QUEUE);
    let (done, verdict) = oneshot::channel();
    let (content, progress) = (content.clone(), progress.clone());
    thread::spawn(move || {
        let mut sender = Sender::new(chunks, content.name(), &progress);
        let written = content.write_to(&mut sender, |_| {});
        let _ = done.send(written.and_then(|()| sender.finish().map_err(ContentError::Write)));
    });
    let start = Event::Start(v1::ImportStart { target: target.to_owned() });
    let first = tokio_stream::once(v1::ImportImageRequest { event: Some(start) });
    let mut call = pin!(daemon.import_image(first.chain(requests(receiver))));
    tokio::select! {
        biased;
        verdict = verdict => match verdict {
            // The call ended before the bytes did, and says why.
            Ok(Ok(()) | Err(ContentError::Write(_))) | Err(_) => Ok(call.await?),
            Ok(Err(unreadable)) => Err(unreadable.into()),
        },
        answer = &mut call => Ok(answer?),
    }
}

/// Ends at the mark alone: a channel that is closed without it leaves the stream open, and the call
/// is dropped.
fn requests(
    chunks: mpsc::Receiver<Option<Bytes>>,
) -> impl Stream<Item = v1::ImportImageRequest> + Send {
    let broken = tokio_stream::pending();
    ReceiverStream::new(chunks)
        .map(Some)
        .chain(broken)
        .take_while(|chunk| chunk != &Some(None))
        .filter_map(Option::flatten)
        .map(|bytes| v1::ImportImageRequest { event: Some(Event::Data(bytes)) })
}
