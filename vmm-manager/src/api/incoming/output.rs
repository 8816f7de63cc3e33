//! Which output of a job is read, and from where on.

use kiln_proto::v1;

use super::{disk::output_name, job_id};
use crate::{api::field::InvalidField, job::JobId};

#[derive(Debug)]
pub(in crate::api) struct OutputRequest {
    pub(in crate::api) id: JobId,
    pub(in crate::api) name: String,
    pub(in crate::api) offset: u64,
}

pub(in crate::api) fn read_output(
    request: v1::ReadOutputRequest,
) -> Result<OutputRequest, InvalidField> {
    let v1::ReadOutputRequest { id, name, offset } = request;
    let id = job_id("id", &id)?;
    output_name("name", &name)?;
    Ok(OutputRequest { id, name, offset })
}
