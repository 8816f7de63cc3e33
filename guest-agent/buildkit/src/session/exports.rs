//! What the engine exports, written to where it was ordered to.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    pin::Pin,
    time::Duration,
};

use bollard_buildkit_proto::moby::filesync::v1::{BytesMessage, file_send_server};
use rustix::io::Errno;
use tokio::{
    io::{AsyncWriteExt as _, BufWriter},
    net::unix::pipe,
    time::{Instant, sleep},
};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming, async_trait};

/// Small pieces are put together: a call to the kernel each is what costs.
const BUFFER_BYTES: usize = 256 << 10;
/// For somebody to read.
const READER_LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);

/// In the order in which the engine was told of them: it asks by number.
#[derive(Debug, Default)]
pub(crate) struct Exports(pub(crate) Vec<PathBuf>);

enum To {
    /// Whoever reads sets the pace, and nothing else waits for it.
    Pipe(BufWriter<pipe::Sender>),
    File(File),
}

impl To {
    async fn open(path: &Path) -> io::Result<Self> {
        if !fs::metadata(path)?.file_type().is_fifo() {
            return OpenOptions::new().write(true).truncate(true).open(path).map(Self::File);
        }
        let begun = Instant::now();
        loop {
            match pipe::OpenOptions::new().open_sender(path) {
                Ok(sender) => {
                    return Ok(Self::Pipe(BufWriter::with_capacity(BUFFER_BYTES, sender)));
                }
                Err(error)
                    if error.raw_os_error() == Some(Errno::NXIO.raw_os_error())
                        && begun.elapsed() < READER_LIMIT =>
                {
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Pipe(pipe) => pipe.write_all(bytes).await,
            Self::File(file) => file.write_all(bytes),
        }
    }

    async fn end(self) -> io::Result<()> {
        match self {
            Self::Pipe(mut pipe) => pipe.flush().await,
            Self::File(_) => Ok(()),
        }
    }
}

async fn write<S>(path: &Path, mut pieces: S) -> Result<(), Status>
where
    S: Stream<Item = Result<BytesMessage, Status>> + Send + Unpin,
{
    let failed =
        |error: io::Error| Status::unknown(format!("cannot write {}: {error}", path.display()));
    let mut to = To::open(path).await.map_err(failed)?;
    while let Some(piece) = pieces.next().await {
        to.write(&piece?.data).await.map_err(failed)?;
    }
    to.end().await.map_err(failed)
}

#[async_trait]
impl file_send_server::FileSend for Exports {
    type DiffCopyStream = Pin<Box<dyn Stream<Item = Result<BytesMessage, Status>> + Send>>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let id = request.metadata().get("buildkit-attachable-exporter-id");
        let id = id.map_or(Some(0), |id| id.to_str().ok()?.parse::<usize>().ok());
        let path = id
            .and_then(|id| self.0.get(id))
            .ok_or_else(|| Status::unknown(format!("exporter {id:?} not found")))?;
        write(path, request.into_inner()).await?;
        Ok(Response::new(Box::pin(tokio_stream::empty())))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn pieces(count: u8) -> impl Stream<Item = Result<BytesMessage, Status>> + Send + Unpin {
        tokio_stream::iter(0..count).map(|byte| Ok(BytesMessage { data: vec![byte; 40_000] }))
    }

    fn bytes(count: u8) -> Vec<u8> {
        (0..count).flat_map(|byte| vec![byte; 40_000]).collect()
    }

    #[tokio::test]
    async fn a_pipe_takes_all_whenever_its_reader_comes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let read = std::thread::spawn({
            let path = path.clone();
            move || {
                std::thread::sleep(Duration::from_millis(50));
                let mut all = Vec::new();
                File::open(path).unwrap().read_to_end(&mut all).map(|_| all).unwrap()
            }
        });
        write(&path, pieces(50)).await.unwrap();
        // Nobody writes any more: so its reader ends.
        assert_eq!(read.join().unwrap(), bytes(50));
    }

    #[tokio::test]
    async fn a_reader_that_goes_ends_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let reader = pipe::OpenOptions::new().open_receiver(&path).unwrap();
        // One that does not read is waited for.
        let written = tokio::time::timeout(Duration::from_millis(50), write(&path, pieces(50)));
        assert!(written.await.is_err());
        let (ended, ()) = tokio::join!(write(&path, pieces(50)), async { drop(reader) });
        assert!(ended.unwrap_err().message().contains("cannot write"));
    }

    #[tokio::test]
    async fn a_file_is_written_from_its_beginning() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert!(write(&path, pieces(1)).await.is_err(), "it was not there");
        fs::write(&path, vec![9; 100_000]).unwrap();
        write(&path, pieces(2)).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes(2));
        let broken = tokio_stream::once(Err(Status::cancelled("no")));
        assert_eq!(write(&path, broken).await.unwrap_err().message(), "no");
    }
}
