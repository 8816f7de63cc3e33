//! Which part of a listing.

use kiln_proto::v1;

use super::listed_project;
use crate::{api::field::InvalidField, job::JobId};

const DEFAULT_SIZE: usize = 100;
const MOST: usize = 1000;

#[derive(Debug)]
pub(in crate::api) struct Page {
    pub(in crate::api) project: Option<String>,
    pub(in crate::api) after: Option<JobId>,
    pub(in crate::api) size: usize,
}

pub(in crate::api) fn page(request: v1::ListJobsRequest) -> Result<Page, InvalidField> {
    let v1::ListJobsRequest { project, page_size, page_token } = request;
    checked(&project, page_size, &page_token)
}

pub(in crate::api) fn page_of_builds(request: v1::ListBuildsRequest) -> Result<Page, InvalidField> {
    let v1::ListBuildsRequest { project, page_size, page_token } = request;
    checked(&project, page_size, &page_token)
}

fn checked(project: &str, page_size: u32, page_token: &str) -> Result<Page, InvalidField> {
    let project = listed_project(project)?;
    let after = match page_token {
        "" => None,
        token => Some(token.parse().map_err(|_| {
            InvalidField::new("page_token", "is none that an earlier page ended with")
        })?),
    };
    let size = match usize::try_from(page_size) {
        Ok(0) => DEFAULT_SIZE,
        Ok(size) if size <= MOST => size,
        Ok(_) | Err(_) => {
            return Err(InvalidField::new("page_size", format!("is above {MOST}")));
        }
    };
    Ok(Page { project, after, size })
}
