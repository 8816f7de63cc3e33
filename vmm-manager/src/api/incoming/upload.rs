//! The first request of `UploadSource`, and `FindSource`.

use kiln_proto::v1;
use kiln_registry::digest::Digest;

use super::project;
use crate::{api::field::InvalidField, source::Known};

#[derive(Debug)]
pub(in crate::api) struct UploadRequest {
    pub(in crate::api) project: String,
    pub(in crate::api) announced: Announced,
}

/// What is said of an upload before it comes.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::api) enum Announced {
    Nothing,
    Length(u64),
    Content { known: Known, offset: u64 },
}

pub(in crate::api) fn upload_start(
    first: Option<v1::UploadSourceRequest>,
) -> Result<UploadRequest, InvalidField> {
    let Some(v1::upload_source_request::Event::Start(start)) =
        first.and_then(|request| request.event)
    else {
        return Err(InvalidField::new("start", "must come first"));
    };
    let v1::UploadStart { project: name, size_bytes, digest, offset } = start;
    let project =
        project(&name).map_err(|invalid| InvalidField::new("start.project", invalid.problem))?;
    let announced = match (digest.as_str(), size_bytes) {
        ("", _) if offset > 0 => {
            return Err(InvalidField::new("start.offset", "needs `digest`: a part of what?"));
        }
        ("", 0) => Announced::Nothing,
        ("", length) => Announced::Length(length),
        (_, 0) => {
            let problem = "is missing, and `digest` needs it; without both it is not known";
            return Err(InvalidField::new("start.size_bytes", problem));
        }
        (digest, size_bytes) => {
            let known = Known { digest: self::digest("start.digest", digest)?, size_bytes };
            if offset > size_bytes {
                let problem = format!("{offset} is behind the end, {size_bytes}");
                return Err(InvalidField::new("start.offset", problem));
            }
            Announced::Content { known, offset }
        }
    };
    Ok(UploadRequest { project, announced })
}

pub(in crate::api) fn find_source(request: v1::FindSourceRequest) -> Result<Known, InvalidField> {
    let v1::FindSourceRequest { project: name, digest, size_bytes } = request;
    // A source is its tenant's, whichever project brought it.
    project(&name)?;
    let digest = self::digest("digest", &digest)?;
    if size_bytes == 0 {
        return Err(InvalidField::new("size_bytes", "is missing"));
    }
    Ok(Known { digest, size_bytes })
}

fn digest(field: &str, text: &str) -> Result<String, InvalidField> {
    let digest: Result<Digest, _> = text.parse();
    digest.map(|digest| digest.to_string()).map_err(|error| InvalidField::new(field, error))
}
