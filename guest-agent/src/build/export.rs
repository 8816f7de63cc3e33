//! What a build exports, on its way through a pipe to its disk while the build runs: nothing of it is
//! ever on the guest's own disks.
//!
//! A client may open its end for reading too, and so would never hear that nobody reads. A disk that
//! takes no more therefore ends the client; what it still writes is read and dropped.

use std::{fs, io, os::fd::OwnedFd, path::PathBuf, sync::Arc};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, mknodat, open},
    io::Errno,
    pipe::fcntl_setpipe_size,
};
use tokio::sync::oneshot;

use super::request::Export;
use crate::transfer::{Following, NotBegun, Refused, Stream, Transfers};

/// Few turns between the client and the disk.
const PIPE_BYTES: usize = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum NoExport {
    #[error("the output's pipe {} cannot be made", path.display())]
    Pipe { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Disk(#[from] NotBegun),
}

/// All exports of one build, under way. Dropping it gives them up.
pub(super) struct Exports(Vec<UnderWay>);

struct UnderWay {
    disk: String,
    path: PathBuf,
    /// Ours of the pipe: what is read ends when it goes, after the client's.
    end: Stream,
    following: Following,
}

impl Exports {
    /// May block.
    pub(super) fn begin(exports: &[Export], transfers: &Transfers) -> Result<Self, NoExport> {
        let mut all = Self(Vec::new());
        for export in exports {
            let path = &export.told.path;
            let failed = |source| NoExport::Pipe { path: path.clone(), source };
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory).map_err(failed)?;
            }
            let (read, write) = pipe(export).map_err(|errno| failed(errno.into()))?;
            let (following, end) = transfers.stream(export.order.clone(), read, write)?;
            all.0.push(UnderWay {
                disk: export.order.disk.clone(),
                path: path.clone(),
                end,
                following,
            });
        }
        Ok(all)
    }

    /// Told when one of them has failed.
    pub(super) fn failed(&self) -> oneshot::Receiver<()> {
        let (tell, failed) = oneshot::channel();
        let tell = Arc::new(std::sync::Mutex::new(Some(tell)));
        for one in &self.0 {
            let (mut following, tell) = (one.following.clone(), Arc::clone(&tell));
            tokio::spawn(async move {
                let end = following.end().await;
                let mut tell = tell.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if end.is_err()
                    && let Some(tell) = tell.take()
                {
                    // Who does not listen any more has ended.
                    let _ = tell.send(());
                }
            });
        }
        failed
    }

    /// Nobody writes any more. With `whole`, what came is all of it, and is kept. Resolves when it is on
    /// the disks, with the first that failed.
    pub(super) async fn end(self, whole: bool) -> Result<(), (String, Refused)> {
        let mut result = Ok(());
        for UnderWay { disk, path, end, mut following } in self.0 {
            end.end(whole);
            let ended = following.end().await;
            // A name in memory; where it stays, nobody minds.
            let _ = fs::remove_file(path);
            // Of a build that failed nothing is whole: only a disk's want of room is news.
            if let Err(refused) = ended
                && result.is_ok()
                && (whole || refused.is_no_room())
            {
                result = Err((disk, refused));
            }
        }
        result
    }
}

fn pipe(export: &Export) -> Result<(OwnedFd, OwnedFd), Errno> {
    let path = &export.told.path;
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
    // A reader that does not wait is one to the writer that comes next.
    let read = open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let write = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::ioctl_fionbio(&read, false)?;
    // Where it is not granted, the default does.
    let _ = fcntl_setpipe_size(&read, PIPE_BYTES);
    Ok((read, write))
}
