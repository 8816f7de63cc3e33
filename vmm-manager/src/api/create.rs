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
    job::{Job, JobSpec, Owner},
    source::MissingSource,
    store::{JobHandle, SubmitError},
};

impl JobApi {
    pub(super) async fn create(
        &self,
        caller: Caller,
        request: v1::CreateJobRequest,
    ) -> Result<Job, Status> {
        let NewJob { project, key, spec } = incoming::new_job(request)?;
        self.check_outputs(&spec)?;
        let api = self.clone();
        let owner = Owner { tenant: caller.tenant, project };
        // To its end, also when the client goes: a job that is durable has its sources held.
        let submission = tokio::spawn(async move { api.submit(owner, key, spec).await });
        submission.await.map_err(|_| Status::internal("the submission failed"))?
    }

    async fn submit(
        &self,
        owner: Owner,
        key: Option<String>,
        spec: JobSpec,
    ) -> Result<Job, Status> {
        // Held before the job is durable, so there is no moment in which they could be forgotten.
        let holds = match self.parts.sources.hold_inputs(&owner.tenant, &spec) {
            Ok(holds) => holds,
            // A job that is asked for once more may have outlived its sources.
            Err(missing) => return self.known(&owner, key, &spec, &missing).await,
        };
        let submitted = self.parts.scheduler.submit(owner, spec, key).await;
        let handle = submitted.map_err(status::refused)?;
        // One that was there already is held once more, for no longer.
        holds.until_ended(handle.watch());
        Ok(handle.snapshot())
    }

    async fn known(
        &self,
        owner: &Owner,
        key: Option<String>,
        spec: &JobSpec,
        missing: &MissingSource,
    ) -> Result<Job, Status> {
        let found = match &key {
            Some(key) => self.parts.store.find_by_key(owner, key).await,
            None => Ok(None),
        };
        match (found.map_err(|error| status::store(&error))?, key) {
            (Some(handle), _) if handle.spec() == spec => Ok(handle.snapshot()),
            (Some(handle), Some(key)) => Err(status::submit(&reused(&handle, key))),
            (Some(_) | None, _) => {
                let field = format!("spec.inputs[{}].source_id", missing.input);
                Err(InvalidField::new(field, missing).into())
            }
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

fn reused(handle: &JobHandle, key: String) -> SubmitError {
    SubmitError::KeyReused { key, job: handle.id().clone() }
}
