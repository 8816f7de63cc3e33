//! The first request of `UploadSource`.

use kiln_proto::v1;

use super::project;
use crate::api::field::InvalidField;

#[derive(Debug)]
pub(in crate::api) struct UploadRequest {
    pub(in crate::api) project: String,
    /// `None` when it is not known.
    pub(in crate::api) size_bytes: Option<u64>,
}

pub(in crate::api) fn upload_start(
    first: Option<v1::UploadSourceRequest>,
) -> Result<UploadRequest, InvalidField> {
    match first.and_then(|request| request.event) {
        Some(v1::upload_source_request::Event::Start(v1::UploadStart {
            project: name,
            size_bytes,
        })) => {
            let project = project(&name)
                .map_err(|invalid| InvalidField::new("start.project", invalid.problem))?;
            Ok(UploadRequest { project, size_bytes: Some(size_bytes).filter(|size| *size > 0) })
        }
        Some(_) | None => Err(InvalidField::new("start", "must come first")),
    }
}
