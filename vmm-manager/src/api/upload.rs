//! `UploadSource`.

use std::time::Duration;

use kiln_proto::v1::{self, upload_source_request::Event};
use tokio::time::timeout;
use tonic::{Status, Streaming};

use super::{
    caller::Caller,
    field::InvalidField,
    incoming::{self, UploadRequest},
    jobs::JobApi,
    status,
};
use crate::job::Owner;

/// Between two parts: whoever says nothing gives up its place.
const SILENCE: Duration = Duration::from_secs(60);

impl JobApi {
    /// What was begun is gone if the client goes before its end.
    pub(super) async fn upload(
        &self,
        caller: Caller,
        mut requests: Streaming<v1::UploadSourceRequest>,
    ) -> Result<v1::UploadSourceResponse, Status> {
        let first = next(&mut requests).await?;
        let UploadRequest { project, size_bytes } = incoming::upload_start(first)?;
        let owner = Owner { tenant: caller.tenant, project };
        let upload = self.parts.sources.begin(owner, size_bytes).await;
        let mut upload = upload.map_err(status::upload)?;
        while let Some(request) = next(&mut requests).await? {
            match request.event {
                Some(Event::Data(part)) => upload.write(part).await.map_err(status::upload)?,
                Some(Event::Start(_)) => {
                    return Err(InvalidField::new("start", "comes first, and only first").into());
                }
                None => return Err(InvalidField::new("event", "is missing").into()),
            }
        }
        let source = upload.finish().await.map_err(status::upload)?;
        Ok(v1::UploadSourceResponse {
            source_id: source.id.to_string(),
            size_bytes: source.size_bytes,
            digest: source.digest,
        })
    }
}

async fn next(
    requests: &mut Streaming<v1::UploadSourceRequest>,
) -> Result<Option<v1::UploadSourceRequest>, Status> {
    let silent = || Status::deadline_exceeded(format!("nothing came for {SILENCE:?}; begin anew"));
    timeout(SILENCE, requests.message()).await.map_err(|_| silent())?
}
