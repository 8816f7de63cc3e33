//! Lists: of tags, of what is about a manifest, of repositories; page by page.

use hyper::{StatusCode, header};
use serde_json::{Value, json};

use super::{
    answer::{self, Answer, OCI_FILTERS_APPLIED},
    body::AnswerBody,
    exchange::{Exchange, Own},
    faults,
    place::LOCAL,
    query::encode,
};
use crate::{
    digest::Digest,
    problem::{Code, Problem},
    registry::Via,
    repository::Space,
    store::{Referrer, Referrers, ReferrersWanted},
};

/// Of a page, however many are asked for.
const MAX_ENTRIES: usize = 1000;
/// What a page of referrers takes in memory while it is made.
const REFERRERS_BYTES: usize = 16 << 20;
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(super) async fn tags(exchange: &Exchange<'_>, own: &Own<'_>) -> Result<Answer, Problem> {
    let store = &exchange.registry.store;
    let asked = asked(exchange)?;
    let is_known = store.is_known(&own.repository).await.map_err(faults::store)?;
    if !is_known {
        let message = format!("{} is not here: push to it first", own.place);
        return Err(Problem::new(Code::NameUnknown, 404, message));
    }
    let last = exchange.query.first("last");
    let found = store.tags(&own.repository, last, asked + 1).await.map_err(faults::store)?;
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    let (page, next) = paged(found, asked);
    let place = own.place;
    let mut answer = answer::json(&json!({"name": place.to_string(), "tags": page}));
    link(&mut answer, &format!("/v2/{place}/tags/list"), asked, next, "");
    Ok(answer)
}

/// Of the caller's tenant. Guests have no use for it: they know what they pushed.
pub(super) async fn catalog(exchange: &Exchange<'_>, via: Via) -> Result<Answer, Problem> {
    if via == Via::Guest {
        let message = "repositories are not listed for guests: say which one you want";
        return Err(Problem::new(Code::Unsupported, 404, message));
    }
    if !exchange.is_read() {
        return Err(exchange.method_not_allowed());
    }
    let asked = asked(exchange)?;
    let space = Space::Local { tenant: exchange.caller.tenant.clone() };
    let last = exchange.query.first("last").and_then(|last| last.strip_prefix("local/"));
    let found = exchange.registry.store.repositories(&space, last, asked + 1).await;
    let found = found.map_err(faults::store)?;
    let found = found.iter().map(|name| format!("{LOCAL}/{name}")).collect();
    let (page, next) = paged(found, asked);
    let mut answer = answer::json(&json!({"repositories": page}));
    link(&mut answer, "/v2/_catalog", asked, next, "");
    Ok(answer)
}

/// An index, also where nothing is about the manifest, or the manifest is not there.
pub(super) async fn referrers(
    exchange: &Exchange<'_>,
    own: &Own<'_>,
    digest: &str,
) -> Result<Answer, Problem> {
    let digest: Digest = digest.parse().map_err(|invalid| faults::digest(&invalid))?;
    let asked = asked(exchange)?;
    let filter = exchange.query.first("artifactType");
    let last = exchange.query.first("last").filter(|last| !last.is_empty());
    let after = last.map(str::parse).transpose().map_err(|invalid| faults::digest(&invalid))?;
    let room = exchange.room(REFERRERS_BYTES).await?;
    let wanted =
        ReferrersWanted { after, artifact_type: filter.map(ToOwned::to_owned), limit: asked };
    let found = exchange.registry.store.referrers(&own.repository, digest, wanted).await;
    let Referrers { page, has_more } = found.map_err(faults::store)?;
    let manifests: Vec<_> = page.iter().map(descriptor).collect();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    let index = room.keep(index.to_string().into());
    let mut answer = answer::with(StatusCode::OK, AnswerBody::whole(index));
    answer::set(&mut answer, header::CONTENT_TYPE, INDEX);
    let mut rest = String::new();
    if let Some(filter) = filter {
        answer::set(&mut answer, OCI_FILTERS_APPLIED, "artifactType");
        rest = format!("&artifactType={}", encode(filter));
    }
    let next = page.last().filter(|_| has_more).map(|referrer| referrer.digest.to_string());
    link(&mut answer, &format!("/v2/{}/referrers/{digest}", own.place), asked, next, &rest);
    Ok(answer)
}

fn descriptor(referrer: &Referrer) -> Value {
    let Referrer { digest, media_type, size, artifact_type, annotations } = referrer;
    let mut descriptor = json!({"mediaType": media_type, "digest": digest, "size": size});
    if let Some(artifact_type) = artifact_type {
        descriptor["artifactType"] = json!(artifact_type);
    }
    if !annotations.is_empty() {
        descriptor["annotations"] = json!(annotations);
    }
    descriptor
}

fn asked(exchange: &Exchange<'_>) -> Result<usize, Problem> {
    let Some(n) = exchange.query.first("n") else { return Ok(MAX_ENTRIES) };
    if n.is_empty() || !n.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::new(Code::Unsupported, 400, "n has to be a number"));
    }
    Ok(n.parse().unwrap_or(MAX_ENTRIES).min(MAX_ENTRIES))
}

/// So many of them, and the last of those where there are more.
fn paged<T: Clone>(mut found: Vec<T>, asked: usize) -> (Vec<T>, Option<T>) {
    let has_more = found.len() > asked;
    found.truncate(asked);
    let last = found.last().filter(|_| has_more).cloned();
    (found, last)
}

fn link(answer: &mut Answer, path: &str, n: usize, last: Option<String>, rest: &str) {
    if let Some(last) = last {
        let last = encode(&last);
        let link = format!("<{path}?n={n}&last={last}{rest}>; rel=\"next\"");
        answer::set(answer, header::LINK, link);
    }
}
