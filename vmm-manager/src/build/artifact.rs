//! What a job or a build has left behind, as files with names.
//!
//! | of | name |
//! |---|---|
//! | an image | `NAME.oci.tar`, `NAME.docker.tar`: put together while they are read |
//! | a tree that a build exported | `NAME.tar` |
//! | a root filesystem | `rootfs.ext4` or `rootfs.tar`, packed with `.gz` or `.zst` behind it, and `rootfs.json` |
//! | an output of another job | `NAME` |

use kiln_registry::operate::{Form, OperateError, Plan, Reference};

use super::{Image, publish};
use crate::{
    job::{
        Build, DiskFormat, Export, ExportKind, Failure, ImageExport, Job, Outcome, OutputRecord,
        Rootfs, State, Work,
        rootfs::{METADATA, Packing, RootfsFormat},
    },
    registry::Service,
};

const OCI_LAYOUT: &str = "application/vnd.oci.image.layout.v1+tar";
const TAR: &str = "application/x-tar";
const BYTES: &str = "application/octet-stream";
const GZIP: &str = "application/gzip";
const ZSTD: &str = "application/zstd";
const JSON: &str = "application/json";

#[derive(Clone, Debug)]
pub struct Artifact {
    pub name: String,
    pub media_type: &'static str,
    pub size_bytes: u64,
    /// Of an image's tar not before somebody asks for it: see [`Plan::digest`].
    pub digest: Option<String>,
    /// Of the image in it.
    pub image_digest: Option<String>,
    pub body: Body,
}

/// Where its bytes are.
#[derive(Clone, Debug)]
pub enum Body {
    Output(OutputRecord),
    Tar(Plan),
    /// They have been removed.
    Expired,
}

#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error("{name} is of no use here: {source}; read {instead}, which has all platforms")]
    NoForm { name: String, instead: String, source: OperateError },
    #[error("this host has no registry, and so no images")]
    Registryless,
    #[error("{}", .0.message)]
    Failed(Failure),
    #[error(transparent)]
    Image(OperateError),
}

/// Of a job that has ended; none where it did not complete.
pub async fn list(registry: Option<&Service>, job: &Job) -> Result<Vec<Artifact>, ArtifactError> {
    let mut found = Vec::new();
    for known in known(job) {
        match known.open(registry, job).await {
            Ok(artifact) => found.push(artifact),
            Err(ArtifactError::NoForm { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// None: it has none of that name.
pub async fn find(
    registry: Option<&Service>,
    job: &Job,
    name: &str,
) -> Result<Option<Artifact>, ArtifactError> {
    match known(job).into_iter().find(|known| known.name() == name) {
        Some(known) => known.open(registry, job).await.map(Some),
        None => Ok(None),
    }
}

/// One that the record tells of.
enum Known<'a> {
    Output { name: String, media_type: &'static str, record: &'a OutputRecord },
    Image { image: &'a Image, export: &'a ImageExport, form: Form },
}

fn known(job: &Job) -> Vec<Known<'_>> {
    if !matches!(job.state, State::Ended { outcome: Outcome::Completed, .. }) {
        return Vec::new();
    }
    match &job.spec.work {
        Work::Exec(_) | Work::Boot(_) => {
            job.outputs.iter().map(|record| output(job, record)).collect()
        }
        Work::Rootfs(rootfs) => {
            job.outputs.iter().map(|record| root_filesystem(rootfs, record)).collect()
        }
        Work::Build(build) => exported(job, build),
    }
}

fn output<'a>(job: &Job, record: &'a OutputRecord) -> Known<'a> {
    let asked = job.spec.outputs.iter().find(|output| output.name == record.name);
    let is_tar = asked.is_some_and(|output| output.format == DiskFormat::Tar);
    let media_type = if is_tar { TAR } else { BYTES };
    Known::Output { name: record.name.clone(), media_type, record }
}

fn root_filesystem<'a>(rootfs: &Rootfs, record: &'a OutputRecord) -> Known<'a> {
    if record.name == METADATA {
        return Known::Output { name: Rootfs::metadata().to_owned(), media_type: JSON, record };
    }
    let media_type = match (&rootfs.format, rootfs.packing) {
        (_, Packing::Gzip) => GZIP,
        (_, Packing::Zstd) => ZSTD,
        (RootfsFormat::Tar, Packing::None) => TAR,
        (RootfsFormat::Ext4(_), Packing::None) => BYTES,
    };
    Known::Output { name: rootfs.artifact(), media_type, record }
}

fn exported<'a>(job: &'a Job, build: &'a Build) -> Vec<Known<'a>> {
    let images = job.build.as_ref().map_or(&[][..], |record| &record.images);
    let mut known = Vec::new();
    for Export { name, output: _, kind } in &build.exports {
        match kind {
            ExportKind::Tree { .. } => {
                let record = job.outputs.iter().find(|record| record.name == *name);
                known.extend(record.map(|record| Known::Output {
                    name: format!("{name}.tar"),
                    media_type: TAR,
                    record,
                }));
            }
            ExportKind::Image(export) => {
                for image in images.iter().filter(|image| image.export == *name) {
                    let forms = [Form::Oci, Form::Docker];
                    known.extend(forms.map(|form| Known::Image { image, export, form }));
                }
            }
        }
    }
    known
}

impl Known<'_> {
    fn name(&self) -> String {
        match self {
            Self::Output { name, .. } => name.clone(),
            Self::Image { image, form: Form::Oci, .. } => format!("{}.oci.tar", image.export),
            Self::Image { image, form: Form::Docker, .. } => format!("{}.docker.tar", image.export),
        }
    }

    async fn open(&self, registry: Option<&Service>, job: &Job) -> Result<Artifact, ArtifactError> {
        match self {
            Self::Output { name, media_type, record } => Ok(Artifact {
                name: name.clone(),
                media_type,
                size_bytes: record.size_bytes,
                digest: Some(record.digest.clone()),
                image_digest: None,
                body: if record.expired { Body::Expired } else { Body::Output((*record).clone()) },
            }),
            Self::Image { image, export, form } => {
                let is_expired =
                    |record: &OutputRecord| record.name == image.export && record.expired;
                let body = if job.outputs.iter().any(is_expired) {
                    Body::Expired
                } else {
                    let registry = registry.ok_or(ArtifactError::Registryless)?;
                    self.plan(registry, job, image, export, *form).await?
                };
                let size_bytes = match &body {
                    Body::Tar(plan) => plan.size(),
                    Body::Output(_) | Body::Expired => 0,
                };
                Ok(Artifact {
                    name: self.name(),
                    media_type: if *form == Form::Oci { OCI_LAYOUT } else { TAR },
                    size_bytes,
                    digest: None,
                    image_digest: Some(image.content.digest.clone()),
                    body,
                })
            }
        }
    }

    async fn plan(
        &self,
        registry: &Service,
        job: &Job,
        image: &Image,
        export: &ImageExport,
        form: Form,
    ) -> Result<Body, ArtifactError> {
        let maker = publish::maker(&job.owner, &job.id).map_err(ArtifactError::Failed)?;
        let digest = publish::digest(&image.content.digest).map_err(ArtifactError::Failed)?;
        let names: Vec<Reference> =
            export.names.iter().filter_map(|name| name.parse().ok()).collect();
        match registry.images().plan_build(&maker, digest, form, &names).await {
            Ok(plan) => Ok(Body::Tar(plan)),
            Err(OperateError::WentAway { .. } | OperateError::Incomplete { .. }) => {
                Ok(Body::Expired)
            }
            Err(source @ OperateError::NoPlatform { .. }) => {
                let (name, instead) = (self.name(), format!("{}.oci.tar", image.export));
                Err(ArtifactError::NoForm { name, instead, source })
            }
            Err(error) => Err(ArtifactError::Image(error)),
        }
    }
}
