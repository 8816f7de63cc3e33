//! What a machine only reads: uploads, what the host has fetched, and what another job has left.

use std::{error::Error, io, path::PathBuf};

use tokio::task::spawn_blocking;

use super::Host;
use crate::{
    disk::{BOOT_SERIAL, Disks, IMAGE_SERIAL, TOOLS_SERIAL, source_serial},
    job::{
        Boot, BootSource, Failure, FailureClass, JobId, OutputRecord, Rootfs, SourceId, Work,
        rootfs::{MadeRootfs, ROOTFS, RootfsImage},
    },
    machine::{BOOT_WORDS, Source},
    output::Reading,
    rootfs::origin,
    source::SourceHold,
    store::JobHandle,
};

/// Which of a job's machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Work,
    /// Boots what the job has made.
    Check,
}

/// Everything stays for as long as this does.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// In the order of the job's sources.
    pub(super) holds: Vec<SourceHold>,
    pub(super) files: Vec<Source>,
    /// Of another job: what it has left must not expire before its file is open.
    _reading: Option<Reading>,
}

/// What its kernel is told besides.
pub(super) fn words(job: &JobHandle, purpose: Purpose) -> &'static [&'static str] {
    match (&job.spec().work, purpose) {
        (Work::Boot(_), _) | (_, Purpose::Check) => BOOT_WORDS,
        (Work::Exec(_) | Work::Build(_) | Work::Rootfs(_), Purpose::Work) => &[],
    }
}

impl Given {
    pub(super) async fn of(
        host: &Host,
        job: &JobHandle,
        disks: &Disks,
        purpose: Purpose,
    ) -> Result<Self, Failure> {
        match (&job.spec().work, purpose) {
            (Work::Exec(_) | Work::Build(_), _) => {
                let holds = holds(host, job)?;
                let files = holds.iter().enumerate().map(|(index, hold)| Source {
                    serial: source_serial(index),
                    path: hold.source().disk.clone(),
                });
                let files = files.collect();
                Ok(Self { holds, files, _reading: None })
            }
            (Work::Rootfs(_), Purpose::Check) => {
                let path = share(host, job.id(), &made(job)?).await?;
                Ok(Self { files: vec![source(BOOT_SERIAL, path)], ..Self::default() })
            }
            (Work::Rootfs(rootfs), Purpose::Work) => Self::of_converter(host, job, disks, rootfs),
            (Work::Boot(boot), _) => Self::of_boot(host, job, boot).await,
        }
    }

    /// Of a machine that has it all open: what another job has left is still read.
    pub(super) fn again(host: &Host, job: &JobHandle) -> Self {
        let reading = match &job.spec().work {
            Work::Boot(boot) => match &boot.source {
                BootSource::Artifact { job: other, .. } => Some(host.outputs.reading(other)),
                BootSource::Upload(_) => None,
            },
            Work::Exec(_) | Work::Build(_) | Work::Rootfs(_) => None,
        };
        Self { _reading: reading, ..Self::default() }
    }

    fn of_converter(
        host: &Host,
        job: &JobHandle,
        disks: &Disks,
        rootfs: &Rootfs,
    ) -> Result<Self, Failure> {
        let holds = holds(host, job)?;
        let image = match (&rootfs.source, holds.first(), &disks.fetched) {
            (RootfsImage::Upload(_), Some(hold), _) => hold.source().disk.clone(),
            (RootfsImage::Upload(id), None, _) => return Err(no_source(id)),
            (RootfsImage::Reference(_) | RootfsImage::Build { .. }, _, Some(fetched)) => {
                fetched.clone()
            }
            (RootfsImage::Reference(_) | RootfsImage::Build { .. }, _, None) => {
                return Err(unread(&io::Error::other("there is no place for its image")));
            }
        };
        let tools = source(TOOLS_SERIAL, host.image.tools.path.clone());
        Ok(Self { holds, files: vec![source(IMAGE_SERIAL, image), tools], _reading: None })
    }

    async fn of_boot(host: &Host, job: &JobHandle, boot: &Boot) -> Result<Self, Failure> {
        let holds = holds(host, job)?;
        let (path, reading) = match (&boot.source, holds.first()) {
            (BootSource::Upload(_), Some(hold)) => (hold.source().disk.clone(), None),
            (BootSource::Upload(id), None) => return Err(no_source(id)),
            (BootSource::Artifact { job: other, artifact }, _) => {
                // Counted before the look at the record: see `Outputs::reading`.
                let reading = host.outputs.reading(other);
                let record = super::origin::job(host, job, other).await?;
                let root = origin::root(&record, artifact);
                let root = root.map_err(|error| super::origin::failure(&error))?;
                (share(host, other, root).await?, Some(reading))
            }
        };
        Ok(Self { holds, files: vec![source(BOOT_SERIAL, path)], _reading: reading })
    }
}

/// What the job has made and has told nobody of yet.
fn made(job: &JobHandle) -> Result<OutputRecord, Failure> {
    let record = job.snapshot().rootfs;
    let made = record.as_ref().and_then(|record| record.made.as_ref());
    let MadeRootfs { digest, size_bytes, .. } =
        made.ok_or_else(|| unread(&io::Error::other("there is no record of what was made")))?;
    let (digest, size_bytes) = (digest.clone(), *size_bytes);
    Ok(OutputRecord { name: ROOTFS.to_owned(), size_bytes, digest, expired: false })
}

async fn share(host: &Host, of: &JobId, output: &OutputRecord) -> Result<PathBuf, Failure> {
    let (outputs, of, output) = (host.outputs.clone(), of.clone(), output.clone());
    let shared = spawn_blocking(move || outputs.share(&of, &output)).await;
    shared.map_err(|error| unread(&error))?.map_err(|error| unread(&error))
}

fn source(serial: &str, path: PathBuf) -> Source {
    Source { serial: serial.to_owned(), path }
}

fn holds(host: &Host, job: &JobHandle) -> Result<Vec<SourceHold>, Failure> {
    let hold =
        |source| host.sources.hold(&job.owner().tenant, source).ok_or_else(|| no_source(source));
    job.spec().sources().map(hold).collect()
}

fn no_source(source: &SourceId) -> Failure {
    let message = format!("the source {source} is gone from this host; upload it again");
    Failure::new(FailureClass::Infrastructure, message).with("step", "source")
}

fn unread(error: &(dyn Error + 'static)) -> Failure {
    Failure::infrastructure("source", error)
}
