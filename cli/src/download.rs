//! An output of a job on its way here.
//!
//! ```text
//! kilnd ──▶ hash and count ──4 chunks──▶ sink (a thread: writes or unpacks beside DEST)
//!   │ gone: again from where it broke             │
//!   └──▶ as long and with the digest that the record says ──▶ moved to DEST
//! ```
//! Until then whatever lies beside DEST is removed by whoever leaves.

mod place;
mod sink;

use std::pin::Pin;

use bytes::Bytes;
use kiln_proto::v1;
use sha2::{Digest, Sha256};
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use self::sink::SinkError;
pub(crate) use self::{
    place::{Place, PlaceError},
    sink::{Sink, write_whole},
};
use crate::{
    daemon::{Daemon, DaemonError},
    digest::digest,
    display::size,
    progress::Progress,
    record::Output,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    #[error("could not bring output {name} here")]
    Daemon { name: String, source: DaemonError },
    #[error("could not bring output {name} here")]
    Sink { name: String, source: SinkError },
    #[error("output {name} has expired: kilnd removed its bytes")]
    Expired { name: String },
    #[error("output {name} is longer than the {size} bytes that its record says")]
    TooLong { name: String, size: u64 },
    #[error("output {name} is not what its record says: {expected}, and {arrived} arrived")]
    Differs { name: String, expected: String, arrived: String },
}

/// Nothing is at `place` before all of it is.
///
/// # Cancel safety
/// Safe: what has arrived is removed.
pub(crate) async fn download(
    daemon: &Daemon,
    job: &str,
    output: &Output,
    place: &Place,
    progress: &Progress,
) -> Result<(), DownloadError> {
    bring(daemon, Kind::Output, job, output, place, progress).await
}

/// As [`download`], of something that a build has left behind.
///
/// # Cancel safety
/// Safe: what has arrived is removed.
pub(crate) async fn download_artifact(
    daemon: &Daemon,
    job: &str,
    name: &str,
    place: &Place,
    progress: &Progress,
) -> Result<(), DownloadError> {
    let artifact = daemon
        .artifact(job, name)
        .await
        .map_err(|source| DownloadError::Daemon { name: name.to_owned(), source })?;
    let v1::Artifact { name, media_type: _, size_bytes, digest, image_digest: _, expired } =
        artifact;
    let output = Output { name, size_bytes, digest, expired };
    bring(daemon, Kind::Artifact, job, &output, place, progress).await
}

/// Which service has it.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Output,
    Artifact,
}

async fn bring(
    daemon: &Daemon,
    kind: Kind,
    job: &str,
    output: &Output,
    place: &Place,
    progress: &Progress,
) -> Result<(), DownloadError> {
    let Output { name, size_bytes, digest: expected, expired } = output;
    let name = || name.clone();
    if *expired {
        return Err(DownloadError::Expired { name: name() });
    }
    let mut arriving = Arriving {
        sink: Sink::start(place, *size_bytes, progress)
            .map_err(|source| DownloadError::Sink { name: name(), source })?,
        hash: Sha256::new(),
        offset: 0,
    };
    let mut patience = daemon.patience();
    while arriving.offset < *size_bytes {
        let before = arriving.offset;
        match arriving.read(daemon, kind, job, output, progress).await {
            Err(DownloadError::Daemon { name, source }) => {
                if arriving.offset > before {
                    patience.restore();
                }
                patience
                    .endure(source)
                    .await
                    .map_err(|source| DownloadError::Daemon { name, source })?;
            }
            read => read?,
        }
    }
    let Arriving { sink, hash, .. } = arriving;
    let arrived = digest(hash);
    if &arrived != expected {
        return Err(DownloadError::Differs { name: name(), expected: expected.clone(), arrived });
    }
    sink.finish().await.map_err(|source| DownloadError::Sink { name: name(), source })
}

type Bytestream = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

impl Kind {
    async fn open(
        self,
        daemon: &Daemon,
        job: &str,
        name: &str,
        offset: u64,
    ) -> Result<Bytestream, DaemonError> {
        let (id, name) = (job.to_owned(), name.to_owned());
        match self {
            Self::Output => {
                let request = v1::ReadOutputRequest { id, name, offset };
                let answers = daemon.read_output(request).await?;
                Ok(Box::pin(answers.map(|answer| answer.map(|answer| answer.data))))
            }
            Self::Artifact => {
                let length = 0;
                let request = v1::DownloadArtifactRequest { job_id: id, name, offset, length };
                let answers = daemon.download_artifact(request).await?;
                Ok(Box::pin(answers.map(|answer| answer.map(|answer| answer.data))))
            }
        }
    }
}

struct Arriving {
    sink: Sink,
    hash: Sha256,
    offset: u64,
}

impl Arriving {
    /// Until all of it has arrived, or the stream breaks.
    async fn read(
        &mut self,
        daemon: &Daemon,
        kind: Kind,
        job: &str,
        output: &Output,
        progress: &Progress,
    ) -> Result<(), DownloadError> {
        let wrong = |source| DownloadError::Daemon { name: output.name.clone(), source };
        let mut answers = kind.open(daemon, job, &output.name, self.offset).await.map_err(wrong)?;
        loop {
            match answers.next().await {
                Some(Ok(data)) => self.take(data, output).await?,
                None if self.offset == output.size_bytes => return Ok(()),
                None => return Err(wrong(daemon.cut_short("the output"))),
                Some(Err(status)) => return Err(wrong(daemon.error(&status))),
            }
            let (arrived, of) = (size(self.offset), size(output.size_bytes));
            progress.say(format!("bringing {} here: {arrived} of {of}", output.name));
        }
    }

    async fn take(&mut self, data: Bytes, output: &Output) -> Result<(), DownloadError> {
        let left = output.size_bytes - self.offset;
        if data.len() as u64 > left {
            let (name, size) = (output.name.clone(), output.size_bytes);
            return Err(DownloadError::TooLong { name, size });
        }
        self.hash.update(&data);
        self.offset += data.len() as u64;
        let wrong = |source| DownloadError::Sink { name: output.name.clone(), source };
        // An empty chunk would be the end's mark.
        if data.is_empty() {
            return Ok(());
        }
        self.sink.write(data).await.map_err(wrong)
    }
}
