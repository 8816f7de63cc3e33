//! Answers in the specification's form.

use hyper::{
    HeaderMap, Response, StatusCode,
    ext::ReasonPhrase,
    header::{self, HeaderName, HeaderValue},
};

use super::body::AnswerBody;
use crate::{digest::Digest, problem::Problem};

pub(crate) type Answer = Response<AnswerBody>;

pub(crate) const DOCKER_CONTENT_DIGEST: HeaderName =
    HeaderName::from_static("docker-content-digest");
pub(crate) const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
pub(crate) const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
pub(crate) const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

const JSON: &str = "application/json";

pub(crate) fn empty(status: StatusCode) -> Answer {
    with(status, AnswerBody::empty())
}

/// With its length; `HEAD` answers tell that of the body that they don't have.
pub(crate) fn with(status: StatusCode, body: AnswerBody) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let length = hyper::body::Body::size_hint(answer.body()).exact().unwrap_or_default();
    set(&mut answer, header::CONTENT_LENGTH, length.to_string());
    set(&mut answer, API_VERSION, "registry/2.0");
    answer
}

pub(crate) fn json(value: &serde_json::Value) -> Answer {
    let mut answer = with(StatusCode::OK, AnswerBody::whole(value.to_string()));
    set(&mut answer, header::CONTENT_TYPE, JSON);
    answer
}

/// The message stands in the status line too. No answer ever asks for credentials: who a client is, is
/// known by where it came from.
pub(crate) fn problem(problem: &Problem) -> Answer {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = with(status, AnswerBody::whole(problem.to_json()));
    set(&mut answer, header::CONTENT_TYPE, JSON);
    if let Ok(reason) = ReasonPhrase::try_from(problem.reason()) {
        answer.extensions_mut().insert(reason);
    }
    let retry_after = problem.upstream.as_ref().and_then(|upstream| upstream.retry_after_seconds);
    if let Some(seconds) = retry_after {
        set(&mut answer, header::RETRY_AFTER, seconds.to_string());
    }
    answer
}

pub(crate) fn set(answer: &mut Answer, name: HeaderName, value: impl AsRef<str>) {
    // What is told is printable: names, digests, numbers, media types that were looked at.
    if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
        answer.headers_mut().insert(name, value);
    }
}

pub(crate) fn set_digest(answer: &mut Answer, digest: Digest) {
    set(answer, DOCKER_CONTENT_DIGEST, digest.to_string());
}

/// A header that came once, in ASCII.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok();
    if values.next().is_some() { None } else { value }
}
