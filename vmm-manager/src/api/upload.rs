//! `UploadSource` and `FindSource`.

use std::time::Duration;

use kiln_proto::v1::{self, upload_source_request::Event};
use tokio::time::timeout;
use tonic::{Status, Streaming};

use super::{
    caller::Caller,
    field::InvalidField,
    incoming::{self, Announced, UploadRequest},
    jobs::JobApi,
    status,
};
use crate::{job::Owner, source::Found};

/// Between two parts: whoever says nothing gives up its place.
const SILENCE: Duration = Duration::from_secs(60);

impl JobApi {
    /// If the client goes before its end, what was begun is gone, or kept for it where it said what
    /// is coming.
    pub(super) async fn upload(
        &self,
        caller: Caller,
        mut requests: Streaming<v1::UploadSourceRequest>,
    ) -> Result<v1::UploadSourceResponse, Status> {
        let first = next(&mut requests).await?;
        let UploadRequest { project, announced } = incoming::upload_start(first)?;
        let owner = Owner { tenant: caller.tenant, project };
        let sources = &self.parts.sources;
        let upload = match announced {
            Announced::Nothing => sources.begin(owner, None).await,
            Announced::Length(length) => sources.begin(owner, Some(length)).await,
            Announced::Content { known, offset } => sources.begin_known(owner, known, offset).await,
        };
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

    pub(super) fn find_source(
        &self,
        caller: &Caller,
        request: v1::FindSourceRequest,
    ) -> Result<v1::FindSourceResponse, Status> {
        let known = incoming::find_source(request)?;
        Ok(match self.parts.sources.find(&caller.tenant, &known) {
            Found::Source(source) => {
                v1::FindSourceResponse { source_id: source.id.to_string(), partial_bytes: 0 }
            }
            Found::Part(partial_bytes) => {
                v1::FindSourceResponse { source_id: String::new(), partial_bytes }
            }
        })
    }
}

async fn next(
    requests: &mut Streaming<v1::UploadSourceRequest>,
) -> Result<Option<v1::UploadSourceRequest>, Status> {
    let silent = || Status::deadline_exceeded(format!("nothing came for {SILENCE:?}; begin anew"));
    timeout(SILENCE, requests.message()).await.map_err(|_| silent())?
}
