//! `CreateJob`.

use std::sync::Arc;

use kiln_proto::v1;
use tonic::Status;

use super::{
    caller::Caller,
    field::InvalidField,
    incoming::{self, NewJob},
    jobs::JobApi,
    status,
};
use crate::{
    build::secrets::Secret,
    job::{BootSource, Job, JobSpec, Owner, Work, rootfs::RootfsImage},
    rootfs::origin::{self, OriginError},
    source::MissingSource,
    store::{JobHandle, SubmitError},
};

/// What is asked for.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) key: Option<String>,
    pub(super) spec: JobSpec,
    /// Those in which the request names the inputs.
    pub(super) fields: Vec<String>,
    /// Beside the spec, and no part of what is compared.
    pub(super) secrets: Vec<Secret>,
}

impl JobApi {
    pub(super) async fn create(
        &self,
        caller: Caller,
        request: v1::CreateJobRequest,
    ) -> Result<Job, Status> {
        let NewJob { project, key, spec } =
            incoming::new_job(request, self.parts.most_output_bytes)?;
        self.check_outputs(&spec)?;
        let owner = Owner { tenant: caller.tenant, project };
        if let Err(status) = self.check_origin(&owner, &spec).await {
            // A job that is asked for once more may have outlived what it was made of.
            let known = self.found(&owner, key.as_deref()).await?;
            return match known {
                Some(handle) if handle.spec().asks_as(&spec) => Ok(handle.snapshot()),
                Some(_) | None => Err(status),
            };
        }
        let inputs = 0..spec.inputs.len();
        let mut fields: Vec<_> =
            inputs.map(|input| format!("spec.inputs[{input}].source_id")).collect();
        fields.extend(match &spec.work {
            Work::Rootfs(_) => Some("spec.rootfs.source_id".to_owned()),
            Work::Boot(_) => Some("spec.boot.source_id".to_owned()),
            Work::Exec(_) | Work::Build(_) => None,
        });
        let submission = Submission { key, spec, fields, secrets: Vec::new() };
        self.submit_to_its_end(owner, submission).await
    }

    /// Also when the client goes: a job that is durable has its sources held.
    pub(super) async fn submit_to_its_end(
        &self,
        owner: Owner,
        submission: Submission,
    ) -> Result<Job, Status> {
        let api = self.clone();
        let submitted = tokio::spawn(async move { api.submit(owner, submission).await });
        submitted.await.map_err(|_| Status::internal("the submission failed"))?
    }

    async fn submit(&self, owner: Owner, submission: Submission) -> Result<Job, Status> {
        // Held before the job is durable, so there is no moment in which they could be forgotten.
        let holds = match self.parts.sources.hold_inputs(&owner.tenant, &submission.spec) {
            Ok(holds) => holds,
            // A job that is asked for once more may have outlived its sources.
            Err(missing) => return self.known(&owner, submission, &missing).await,
        };
        let Submission { key, spec, fields: _, secrets } = submission;
        let entrusted = move |job: &JobHandle| entrust(job, secrets);
        let submitted = self.parts.scheduler.submit_with(owner, spec, key, entrusted).await;
        let handle = submitted.map_err(status::refused)?;
        // One that was there already is held once more, for no longer.
        holds.until_ended(handle.watch());
        Ok(handle.snapshot())
    }

    async fn known(
        &self,
        owner: &Owner,
        submission: Submission,
        missing: &MissingSource,
    ) -> Result<Job, Status> {
        let Submission { key, spec, fields, secrets } = submission;
        match (self.found(owner, key.as_deref()).await?, key) {
            (Some(handle), _) if handle.spec().asks_as(&spec) => {
                entrust(&handle, secrets);
                Ok(handle.snapshot())
            }
            (Some(handle), Some(key)) => Err(status::submit(&reused(&handle, key))),
            (Some(_) | None, _) => Err(InvalidField::new(&fields[missing.input], missing).into()),
        }
    }

    /// The job that was created by this key.
    async fn found(
        &self,
        owner: &Owner,
        key: Option<&str>,
    ) -> Result<Option<Arc<JobHandle>>, Status> {
        let Some(key) = key else { return Ok(None) };
        let found = self.parts.store.find_by_key(owner, key).await;
        found.map_err(|error| status::store(&error))
    }

    /// What another job has left, where this one is made of it. Once more when it starts.
    async fn check_origin(&self, owner: &Owner, spec: &JobSpec) -> Result<(), Status> {
        let (field, other) = match &spec.work {
            Work::Rootfs(rootfs) => match &rootfs.source {
                RootfsImage::Build { build, .. } => ("spec.rootfs.build", build),
                RootfsImage::Reference(_) | RootfsImage::Upload(_) => return Ok(()),
            },
            Work::Boot(boot) => match &boot.source {
                BootSource::Artifact { job, .. } => ("spec.boot.rootfs", job),
                BootSource::Upload(_) => return Ok(()),
            },
            Work::Exec(_) | Work::Build(_) => return Ok(()),
        };
        let found = self.parts.store.find(&owner.tenant, other).await;
        let handle = found.map_err(|error| status::store(&error))?;
        let checked = match (handle.map(|handle| handle.snapshot()), &spec.work) {
            (None, _) => Err(OriginError::NoJob(other.clone())),
            (Some(job), Work::Rootfs(rootfs)) => match &rootfs.source {
                RootfsImage::Build { export, .. } => origin::image(&job, export).map(drop),
                RootfsImage::Reference(_) | RootfsImage::Upload(_) => Ok(()),
            },
            (Some(job), Work::Boot(boot)) => match &boot.source {
                BootSource::Artifact { artifact, .. } => origin::root(&job, artifact).map(drop),
                BootSource::Upload(_) => Ok(()),
            },
            (Some(_), Work::Exec(_) | Work::Build(_)) => Ok(()),
        };
        checked.map_err(|error| {
            let words = format!("{field}: {error}");
            if error.is_absent() {
                Status::not_found(words)
            } else {
                Status::failed_precondition(words)
            }
        })
    }

    /// More than the host keeps of all jobs together would be gone before it could be read.
    fn check_outputs(&self, spec: &JobSpec) -> Result<(), InvalidField> {
        let limit = self.parts.most_output_bytes;
        let asked = spec.outputs.iter().fold(0_u64, |sum, one| sum.saturating_add(one.max_bytes));
        if asked > limit {
            let problem = format!("come to {asked} bytes, and this host keeps at most {limit}");
            return Err(InvalidField::new("spec.outputs", problem));
        }
        Ok(())
    }
}

/// Unless its guest has them: what is asked for once more may heal a build that has lost them with an
/// earlier kilnd.
fn entrust(job: &JobHandle, secrets: Vec<Secret>) {
    if !job.has_ended() && !job.recovery().started {
        job.secrets().put(secrets);
    }
}

fn reused(handle: &JobHandle, key: String) -> SubmitError {
    SubmitError::KeyReused { key, job: handle.id().clone() }
}
