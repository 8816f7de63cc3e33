//! Uploads of blobs.
//!
//! ```text
//! POST ?digest=D, body ───────────────────────────────▶ 201
//! POST ?mount=D&from=NAME, which has D ───────────────▶ 201
//! POST ─▶ 202 ─▶ PATCH … PATCH ─▶ PUT ?digest=D ──────▶ 201
//!          │ out of order ─▶ 416, told where to go on
//!          └ DELETE, or nobody goes on for a day ─▶ gone
//! ```
//! Every answer of a session tells where it is; each that was told goes on meaning it.

use hyper::{Method, StatusCode, header};

use super::{
    answer::{self, Answer},
    exchange::{Exchange, Own},
    faults,
    intake::{Intake, Sent},
    place::Place,
    range,
};
use crate::{
    content::Part,
    digest::Digest,
    problem::{Code, Problem},
    store::{StoreError, UploadId},
};

/// Of one tenant. Each is a file that may stay for a day; an engine has some five at a time.
const MAX_OPEN: usize = 1000;

pub(super) async fn begin(
    exchange: &Exchange<'_>,
    own: &Own<'_>,
    sent: &Sent,
) -> Result<Answer, Problem> {
    let query = &exchange.query;
    if query.first("digest-algorithm").is_some_and(|algorithm| algorithm != "sha256") {
        let message = "content is named by its sha256 here: leave digest-algorithm out";
        return Err(Problem::new(Code::Unsupported, 400, message));
    }
    if let Some(mount) = query.first("mount") {
        let digest = mount.parse().map_err(|invalid| faults::digest(&invalid))?;
        if mounted(exchange, own, digest).await? {
            return Ok(created(own, digest));
        }
    } else if let Some(digest) = query.first("digest") {
        let digest = digest.parse().map_err(|invalid| faults::digest(&invalid))?;
        return monolithic(exchange, own, digest, sent).await;
    }
    let id = session(exchange, own).await?;
    Ok(at(answer::empty(StatusCode::ACCEPTED), own, &id, 0))
}

async fn session(exchange: &Exchange<'_>, own: &Own<'_>) -> Result<UploadId, Problem> {
    let store = &exchange.registry.store;
    if store.uploads_to(&own.repository.space) >= MAX_OPEN {
        let message = format!("{MAX_OPEN} uploads are open: finish some, or cancel them");
        return Err(Problem::new(Code::TooManyRequests, 429, message));
    }
    store.begin_upload(&own.repository).await.map_err(faults::store)
}

/// From another repository of the same tenant; which has to be named, for nothing else says that the
/// tenant has the blob.
async fn mounted(exchange: &Exchange<'_>, own: &Own<'_>, digest: Digest) -> Result<bool, Problem> {
    let Some(from) = exchange.query.first("from") else { return Ok(false) };
    let from = Place::of(from, exchange.beside.as_deref());
    let Ok(from @ Place::Own(_)) = from else { return Ok(false) };
    let store = &exchange.registry.store;
    let Ok(from) = exchange.repository(&from) else { return Ok(false) };
    // Held until it is linked.
    let Some(_held) = store.blob(&from, digest).await.map_err(faults::store)? else {
        return Ok(false);
    };
    store.link(&own.repository, digest).await.map_err(faults::store)
}

async fn monolithic(
    exchange: &Exchange<'_>,
    own: &Own<'_>,
    digest: Digest,
    sent: &Sent,
) -> Result<Answer, Problem> {
    let store = &exchange.registry.store;
    let id = session(exchange, own).await?;
    let content = Box::pin(Intake::new(sent, None));
    let finished = match store.append(&own.repository, &id, Some(0), content).await {
        Ok(_) => store.finish_upload(&own.repository, &id, digest).await,
        Err(error) => Err(error),
    };
    if let Err(error) = finished {
        // Nobody knows of it; where this fails too, its age ends it.
        drop(store.cancel_upload(&own.repository, &id).await);
        return Err(faults::store(error));
    }
    Ok(created(own, digest))
}

pub(super) async fn go_on(
    exchange: &Exchange<'_>,
    own: &Own<'_>,
    id: &str,
    sent: &Sent,
) -> Result<Answer, Problem> {
    let unknown = || faults::store(StoreError::NoUpload);
    let id: UploadId = id.parse().map_err(|_| unknown())?;
    let store = &exchange.registry.store;
    match exchange.method {
        Method::PATCH => {
            let appended = append(exchange, own, &id, sent).await?;
            Ok(appended
                .unwrap_or_else(|offset| at(answer::empty(StatusCode::ACCEPTED), own, &id, offset)))
        }
        Method::PUT => close(exchange, own, &id, sent).await,
        Method::GET | Method::HEAD => {
            let offset = store.upload(&own.repository, &id).await.map_err(faults::store)?;
            let offset = offset.ok_or_else(unknown)?;
            Ok(at(answer::empty(StatusCode::NO_CONTENT), own, &id, offset))
        }
        Method::DELETE => {
            let cancelled = store.cancel_upload(&own.repository, &id).await;
            let cancelled = cancelled.map_err(faults::store)?;
            cancelled.then(|| answer::empty(StatusCode::NO_CONTENT)).ok_or_else(unknown)
        }
        _ => Err(exchange.method_not_allowed()),
    }
}

async fn close(
    exchange: &Exchange<'_>,
    own: &Own<'_>,
    id: &UploadId,
    sent: &Sent,
) -> Result<Answer, Problem> {
    let digest = exchange.query.first("digest").ok_or_else(|| {
        Problem::new(Code::DigestInvalid, 400, "say which digest it has: ?digest=sha256:…")
    })?;
    let digest = digest.parse().map_err(|invalid| faults::digest(&invalid))?;
    if !sent.is_empty()
        && let Ok(out_of_order) = append(exchange, own, id, sent).await?
    {
        return Ok(out_of_order);
    }
    let finished = exchange.registry.store.finish_upload(&own.repository, id, digest).await;
    finished.map_err(faults::store)?;
    Ok(created(own, digest))
}

/// How much there is then, or an answer that tells where to go on.
async fn append(
    exchange: &Exchange<'_>,
    own: &Own<'_>,
    id: &UploadId,
    sent: &Sent,
) -> Result<Result<Answer, u64>, Problem> {
    let part = match exchange.headers.get(header::CONTENT_RANGE) {
        None => None,
        Some(_) => Some(declared(exchange, sent)?),
    };
    let content = Box::pin(Intake::new(sent, part.map(|part| part.length)));
    let store = &exchange.registry.store;
    match store.append(&own.repository, id, part.map(|part| part.start), content).await {
        Ok(offset) => Ok(Err(offset)),
        Err(StoreError::OutOfOrder { offset }) => {
            let problem = faults::store(StoreError::OutOfOrder { offset });
            Ok(Ok(at(answer::problem(&problem), own, id, offset)))
        }
        Err(error) => Err(faults::store(error)),
    }
}

fn declared(exchange: &Exchange<'_>, sent: &Sent) -> Result<Part, Problem> {
    let invalid = |message| Problem::new(Code::BlobUploadInvalid, 400, message);
    let range = exchange.header(&header::CONTENT_RANGE).and_then(range::pushed);
    let part = range.ok_or_else(|| invalid("Content-Range has to be FIRST-LAST"))?;
    match sent.length() {
        Some(length) if length != part.length => {
            Err(Problem::new(Code::SizeInvalid, 400, "Content-Range is not as long as the content"))
        }
        _ => Ok(part),
    }
}

fn created(own: &Own<'_>, digest: Digest) -> Answer {
    let mut answer = answer::empty(StatusCode::CREATED);
    answer::set(&mut answer, header::LOCATION, format!("/v2/{}/blobs/{digest}", own.place));
    answer::set_digest(&mut answer, digest);
    answer
}

/// Of nothing, `0-0` is told: there is no other way to say it.
fn at(mut answer: Answer, own: &Own<'_>, id: &UploadId, offset: u64) -> Answer {
    let location = format!("/v2/{}/blobs/uploads/{id}", own.place);
    answer::set(&mut answer, header::LOCATION, location);
    answer::set(&mut answer, header::RANGE, format!("0-{}", offset.saturating_sub(1)));
    answer
}
