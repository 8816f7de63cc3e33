//! `CreateJob`.

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
    job::{Job, JobSpec, Owner},
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
        let NewJob { project, key, spec } = incoming::new_job(request)?;
        self.check_outputs(&spec)?;
        let owner = Owner { tenant: caller.tenant, project };
        let inputs = 0..spec.inputs.len();
        let fields = inputs.map(|input| format!("spec.inputs[{input}].source_id")).collect();
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
        let found = match &key {
            Some(key) => self.parts.store.find_by_key(owner, key).await,
            None => Ok(None),
        };
        match (found.map_err(|error| status::store(&error))?, key) {
            (Some(handle), _) if *handle.spec() == spec => {
                entrust(&handle, secrets);
                Ok(handle.snapshot())
            }
            (Some(handle), Some(key)) => Err(status::submit(&reused(&handle, key))),
            (Some(_) | None, _) => Err(InvalidField::new(&fields[missing.input], missing).into()),
        }
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
