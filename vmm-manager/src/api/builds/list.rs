//! `ListBuilds`: the builds among the jobs.

use kiln_proto::v1;
use tonic::Status;

use crate::{
    api::{builds::BuildApi, caller::Caller, incoming::Page, outgoing::build as outgoing, status},
    job::{Job, Work},
};

/// Jobs that are looked at together.
const STRETCH: usize = 256;
/// Jobs that are looked at for one page, which is short then.
const MOST_JOBS: usize = 16 * STRETCH;

impl BuildApi {
    pub(super) async fn list(
        &self,
        caller: &Caller,
        page: Page,
    ) -> Result<v1::ListBuildsResponse, Status> {
        let Page { project, mut after, size } = page;
        let mut builds: Vec<Job> = Vec::new();
        let mut looked_at = 0;
        loop {
            let jobs = self.jobs.parts.store.list(
                &caller.tenant,
                project.as_deref(),
                after.as_ref(),
                STRETCH,
            );
            let jobs = jobs.await.map_err(|error| status::store(&error))?;
            let is_last = jobs.len() < STRETCH;
            looked_at += jobs.len();
            after = jobs.last().map(|job| job.id.clone()).or(after);
            builds.extend(jobs.into_iter().filter(|job| matches!(job.spec.work, Work::Build(_))));
            // One more than asked for tells that there is a next page.
            if builds.len() > size {
                builds.truncate(size);
                after = builds.last().map(|job| job.id.clone());
                break;
            }
            if is_last {
                after = None;
                break;
            }
            if looked_at >= MOST_JOBS {
                break;
            }
        }
        let next_page_token = after.map(|id| id.to_string()).unwrap_or_default();
        let builds = builds.iter().map(outgoing::listed).collect();
        Ok(v1::ListBuildsResponse { builds, next_page_token })
    }
}
