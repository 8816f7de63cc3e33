//! What takes the bytes of an output: a thread, for disks and pipes block whoever writes to them.

mod device;
mod docker;
mod reader;
mod sparse;
mod temporary;

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use kiln_archive::Limits;
use tokio::sync::{mpsc, oneshot};

use self::{reader::ChunkReader, sparse::Sparse, temporary::Temporary};
use super::{
    Place,
    place::{existing_ancestor, parent},
};
use crate::{
    archive::{Links, MergeError, UnpackError, merge, unpack},
    display::size,
    output::OutputError,
    progress::Progress,
};

const QUEUE: usize = 4;
/// More warnings than that are only counted.
const WARNINGS: usize = 10;

#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkError {
    #[error("cannot write beside {}", path.display())]
    Temporary { path: PathBuf, source: io::Error },
    #[error("cannot write to {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("{} has {} and this is {}: it is too small", path.display(), size(*device), size(*length))]
    Small { path: PathBuf, device: u64, length: u64 },
    #[error("cannot run {}", program.display())]
    Spawn { program: PathBuf, source: io::Error },
    #[error("{} load failed ({status}): {said}", program.display())]
    Docker { program: PathBuf, status: std::process::ExitStatus, said: String },
    #[error("what takes it has ended without a word")]
    Silent,
}

#[derive(Debug)]
pub(crate) struct Sink {
    /// `None` only while it is dropped.
    chunks: Option<mpsc::Sender<Bytes>>,
    /// What is left to do once all of it is known to be right.
    ready: oneshot::Receiver<Result<Ready, SinkError>>,
    /// Of one that has something to remove when it is left.
    thread: Option<JoinHandle<()>>,
    progress: Progress,
}

#[derive(Debug)]
enum Ready {
    Stdout,
    Docker { said: String },
    Device,
    File { temporary: Temporary, path: PathBuf },
    Directory { temporary: Temporary, path: PathBuf },
}

impl Sink {
    pub(crate) fn start(
        place: &Place,
        length: u64,
        progress: &Progress,
    ) -> Result<Self, SinkError> {
        let (chunks, receiver) = mpsc::channel(QUEUE);
        let (done, ready) = oneshot::channel();
        let source = ChunkReader::new(receiver);
        let say = move |ready| {
            // When nobody listens any more, what was made is removed here.
            let _ = done.send(ready);
        };
        let thread = match place.clone() {
            Place::Stdout => {
                thread::spawn(move || say(to_stdout(source)));
                None
            }
            Place::Docker(program) => {
                Some(thread::spawn(move || say(docker::load(source, program))))
            }
            Place::Device(path) => {
                let device = device::open(&path, length)?;
                thread::spawn(move || say(device::write(source, device, path)));
                None
            }
            Place::File(path) => {
                let temporary = beside(&parent(&path), Temporary::file)?;
                Some(thread::spawn(move || say(to_file(source, temporary, path))))
            }
            Place::Directory { path, links } => {
                // In DEST itself where it is there, for it may be a file system of its own.
                let base = if path.is_dir() { path.clone() } else { existing_ancestor(&path) };
                let temporary = beside(&base, Temporary::directory)?;
                let progress = progress.clone();
                let limits = Limits::of_length(length);
                Some(thread::spawn(move || {
                    say(to_directory(source, temporary, path, (limits, links), &progress));
                }))
            }
        };
        Ok(Self { chunks: Some(chunks), ready, thread, progress: progress.clone() })
    }

    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), SinkError> {
        if let Some(chunks) = &self.chunks
            && chunks.send(bytes).await.is_ok()
        {
            return Ok(());
        }
        match (&mut self.ready).await {
            Ok(Err(error)) => Err(error),
            // The thread reads to the end unless it fails.
            Ok(Ok(_)) | Err(_) => Err(SinkError::Silent),
        }
    }

    /// All of it has arrived: to its place with it.
    pub(crate) async fn finish(mut self) -> Result<(), SinkError> {
        // An empty chunk says that the end is no accident. One that nobody takes is explained next.
        if let Some(chunks) = &self.chunks {
            let _ = chunks.send(Bytes::new()).await;
        }
        match (&mut self.ready).await.map_err(|_| SinkError::Silent)?? {
            Ready::Stdout | Ready::Device => Ok(()),
            Ready::Docker { said } => {
                self.progress.notice(&said);
                Ok(())
            }
            Ready::File { temporary, path } => {
                temporary.rename(&path).map_err(|source| SinkError::Write { path, source })
            }
            Ready::Directory { temporary, path } => {
                if let Err(source) = fs::create_dir_all(&path) {
                    return Err(SinkError::Write { path, source });
                }
                merge(temporary.path(), &path)?;
                Ok(())
            }
        }
    }
}

impl Drop for Sink {
    /// Waits for the thread, which ends with its channel, so that nothing half is left behind.
    fn drop(&mut self) {
        self.chunks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A small file, whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = Temporary::file(&parent(path))?;
    temporary.write_all(bytes)?;
    temporary.rename(path)
}

fn beside(
    base: &Path,
    make: impl FnOnce(&Path) -> io::Result<Temporary>,
) -> Result<Temporary, SinkError> {
    make(base).map_err(|source| SinkError::Temporary { path: base.to_owned(), source })
}

fn to_stdout(mut source: ChunkReader) -> Result<Ready, SinkError> {
    while let Some(bytes) = source.chunk().map_err(|_| SinkError::Silent)? {
        crate::output::print(&bytes)?;
    }
    Ok(Ready::Stdout)
}

fn to_file(
    mut source: ChunkReader,
    mut temporary: Temporary,
    path: PathBuf,
) -> Result<Ready, SinkError> {
    if let Some(file) = temporary.file_mut() {
        let mut sparse = Sparse::new(file);
        while let Some(bytes) = source.chunk().map_err(|_| SinkError::Silent)? {
            if let Err(source) = sparse.write(&bytes) {
                return Err(SinkError::Write { path, source });
            }
        }
        if let Err(source) = sparse.finish() {
            return Err(SinkError::Write { path, source });
        }
    }
    Ok(Ready::File { temporary, path })
}

fn to_directory(
    mut source: ChunkReader,
    temporary: Temporary,
    path: PathBuf,
    (limits, links): (Limits, Links),
    progress: &Progress,
) -> Result<Ready, SinkError> {
    let mut warnings = 0;
    let warn = |message: String| {
        warnings += 1;
        if warnings <= WARNINGS {
            progress.notice(&message);
        }
    };
    unpack(&mut source, temporary.path(), limits, links, warn)?;
    if warnings > WARNINGS {
        progress.notice(&format!("{} more were left out", warnings - WARNINGS));
    }
    Ok(Ready::Directory { temporary, path })
}
