//! What another job of the same tenant has left, for one that is made of it. Pure: the job's record is
//! handed in.

use crate::{
    build::Image,
    job::{Export, ExportKind, Job, JobId, Outcome, OutputRecord, State, Work, rootfs::ROOTFS},
};

/// Why a job can't be made of what another one has left.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    #[error("there is no job {0}")]
    NoJob(JobId),
    #[error("job {0} is no build")]
    NoBuild(JobId),
    #[error("job {0} has not ended; wait for it")]
    Runs(JobId),
    #[error("job {0} did not complete, so it has left nothing")]
    Failed(JobId),
    #[error(
        "build {0} has left no image; build with one, as with --output type=image,name=local/NAME"
    )]
    NoImage(JobId),
    #[error("build {build} has no image export {export}; it has {known}")]
    NoExport { build: JobId, export: String, known: String },
    #[error("build {build} has several images: {known}; name one of them")]
    SeveralExports { build: JobId, known: String },
    #[error("job {job} has no artifact {artifact}")]
    NoArtifact { job: JobId, artifact: String },
    #[error("what job {0} has left has expired; make it again")]
    Expired(JobId),
    #[error("{artifact} of job {job} can't be booted: it is no plain ext4")]
    NotBootable { job: JobId, artifact: String },
}

/// The image of a build; the one that it has, unless its export is named.
pub fn image<'a>(job: &'a Job, export: &str) -> Result<&'a Image, OriginError> {
    let id = || job.id.clone();
    let Work::Build(build) = &job.spec.work else { return Err(OriginError::NoBuild(id())) };
    completed(job)?;
    let is_image = |export: &&Export| matches!(export.kind, ExportKind::Image(_));
    let names: Vec<_> =
        build.exports.iter().filter(is_image).map(|export| export.name.as_str()).collect();
    let known = || names.join(", ");
    let name = match (export, names.as_slice()) {
        (_, []) => return Err(OriginError::NoImage(id())),
        ("", [one]) => one,
        ("", _) => return Err(OriginError::SeveralExports { build: id(), known: known() }),
        (named, known) if known.contains(&named) => named,
        (named, _) => {
            let (build, export, known) = (id(), named.to_owned(), known());
            return Err(OriginError::NoExport { build, export, known });
        }
    };
    let record = job.outputs.iter().find(|record| record.name == name);
    if record.is_none_or(|record| record.expired) {
        return Err(OriginError::Expired(id()));
    }
    let images = job.build.as_deref().map_or(&[][..], |record| &record.images);
    images.iter().find(|image| image.export == name).ok_or_else(|| OriginError::NoImage(id()))
}

/// The output behind an artifact that can be booted: of a root filesystem its ext4, of another job
/// whatever is called so.
pub fn root<'a>(job: &'a Job, artifact: &str) -> Result<&'a OutputRecord, OriginError> {
    let (id, no_artifact) = (job.id.clone(), || OriginError::NoArtifact {
        job: job.id.clone(),
        artifact: artifact.to_owned(),
    });
    completed(job)?;
    let name = match &job.spec.work {
        Work::Rootfs(rootfs) if rootfs.artifact() != artifact => return Err(no_artifact()),
        Work::Rootfs(rootfs) => match rootfs.artifact().as_str() {
            "rootfs.ext4" => ROOTFS,
            _ => {
                return Err(OriginError::NotBootable { job: id, artifact: artifact.to_owned() });
            }
        },
        Work::Exec(_) => artifact,
        Work::Build(_) | Work::Boot(_) => return Err(no_artifact()),
    };
    let record = job.outputs.iter().find(|record| record.name == name).ok_or_else(no_artifact)?;
    if record.expired { Err(OriginError::Expired(id)) } else { Ok(record) }
}

fn completed(job: &Job) -> Result<(), OriginError> {
    match &job.state {
        State::Ended { outcome: Outcome::Completed, .. } => Ok(()),
        State::Ended { .. } => Err(OriginError::Failed(job.id.clone())),
        State::Queued | State::Running { .. } => Err(OriginError::Runs(job.id.clone())),
    }
}

impl OriginError {
    /// Whether there is no such thing, rather than that it is not as it must be.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::NoJob(_) | Self::NoExport { .. } | Self::NoArtifact { .. })
    }
}

#[cfg(test)]
mod tests;
