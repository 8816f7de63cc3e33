//! What the host gives to a registry outside.
//!
//! ```text
//! HEAD ─ there ─▶ Existed
//!   │ not there
//! POST ?mount= ─ 201 ─▶ Mounted
//!   │ 202                                  ┌─ lost: GET how far it came ─┐
//! Upload ─ PATCH a piece ─▶ … ─▶ PATCH ◀───┴─────────────────────────────┘
//!   │ one piece alone                │
//!   └────────────▶ PUT ?digest= ◀────┘ ─ 201 ─▶ Uploaded
//! ```

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::{
    Method, StatusCode,
    header::{self, HeaderValue},
};

use super::{
    Session, Upstream,
    dial::unreachable,
    exchange::{Answer, Ask, Sent},
    failure::{Failure, UpstreamError},
    manifest::CONTENT_DIGEST,
    operation::{Granted, Operation},
    route::Route,
    site::Place,
};
use crate::{
    content::Chunks,
    digest::Digest,
    name::{RepositoryName, Target},
};

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// The registry's word, within reason.
const MAX_PIECE_BYTES: u64 = 1 << 30;

/// A blob to be pushed: opened again wherever an upload goes on.
#[async_trait]
pub trait Source: Send + Sync {
    async fn open(&self, from: u64) -> io::Result<Chunks>;
}

/// How a blob came to be in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    Existed,
    /// It was in another of its repositories.
    Mounted,
    Uploaded,
}

impl Upstream {
    /// `from`: a repository of the same registry that may have it already.
    pub async fn push_blob(
        &self,
        session: &Session,
        repository: &RepositoryName,
        digest: Digest,
        size: u64,
        from: Option<&RepositoryName>,
        source: &dyn Source,
    ) -> Result<Placed, UpstreamError> {
        let operation = Operation::new(&self.0, session, repository).pushing(from);
        let push = Push { operation, digest, size, source };
        push.placed(from).await.map_err(|failure| push.operation.error(failure))
    }

    /// What it refers to is there already. The registry verifies the digest.
    pub async fn put_manifest(
        &self,
        session: &Session,
        repository: &RepositoryName,
        target: &Target,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Digest, UpstreamError> {
        let operation = Operation::new(&self.0, session, repository).pushing(None);
        let done = put(&operation, target, media_type, bytes).await;
        done.map_err(|failure| operation.error(failure))
    }
}

async fn put(
    operation: &Operation<'_>,
    target: &Target,
    media_type: &str,
    bytes: Bytes,
) -> Result<Digest, Failure> {
    let kind = HeaderValue::from_str(media_type);
    let kind = kind.map_err(|error| Failure::Source { reason: error.to_string() })?;
    let digest = Digest::of(&bytes);
    let ask = Ask::new(Method::PUT, operation.path(&format!("manifests/{target}")))
        .header(header::CONTENT_TYPE, kind);
    let granted = operation.perform(Ask { payload: Sent::Bytes(bytes), ..ask }).await?;
    let answer = expect(granted, &[StatusCode::CREATED, StatusCode::OK, StatusCode::ACCEPTED])?;
    same(&answer, digest)?;
    answer.discard().await;
    Ok(digest)
}

struct Push<'a> {
    operation: Operation<'a>,
    digest: Digest,
    size: u64,
    source: &'a dyn Source,
}

/// One that was begun.
struct Upload {
    place: Place,
    at: u64,
    piece: u64,
}

enum Begun {
    Mounted,
    Upload(Upload),
}

impl Push<'_> {
    async fn placed(&self, from: Option<&RepositoryName>) -> Result<Placed, Failure> {
        if self.is_there().await? {
            return Ok(Placed::Existed);
        }
        let mut upload = match self.begin(from).await? {
            Begun::Mounted => return Ok(Placed::Mounted),
            Begun::Upload(upload) => upload,
        };
        let limits = &self.operation.inner.limits;
        let (mut left, mut wait) = (limits.tries, limits.back_off);
        // Each of them may get some way, and none to the end.
        let mut anew = limits.tries;
        loop {
            let before = upload.at;
            let failure = match self.step(&mut upload).await {
                Ok(true) => return Ok(Placed::Uploaded),
                Ok(false) => {
                    (left, wait) = (limits.tries, limits.back_off);
                    continue;
                }
                Err(failure) => failure,
            };
            left = left.saturating_sub(1);
            if !is_resumable(&failure) || left == 0 {
                return Err(failure);
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
            match self.standing(&upload).await? {
                Some(standing) => upload = standing,
                // It ended with the answer that was lost, or is forgotten.
                None if self.is_there().await? => return Ok(Placed::Uploaded),
                None if anew == 0 => return Err(failure),
                None => match self.begin(None).await? {
                    Begun::Mounted => return Ok(Placed::Mounted),
                    Begun::Upload(new) => (upload, anew) = (new, anew - 1),
                },
            }
            if upload.at > before {
                left = limits.tries;
            }
        }
    }

    async fn is_there(&self) -> Result<bool, Failure> {
        let operation = self.operation.anew();
        let ask = Ask::new(Method::HEAD, operation.path(&format!("blobs/{}", self.digest)));
        match operation.perform(ask).await {
            Ok(granted) => {
                granted.answer.discard().await;
                Ok(true)
            }
            Err(Failure::NotFound) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    async fn begin(&self, from: Option<&RepositoryName>) -> Result<Begun, Failure> {
        let operation = self.operation.anew();
        let site = Route::to(&operation.inner.registries, &operation.session.host).site;
        let mut place = Place { site, path: operation.path("blobs/uploads/") };
        if let Some(from) = from {
            place = place.with("mount", &self.digest.to_string()).with("from", from.as_str());
        }
        let granted = operation.perform(Ask::new(Method::POST, place.path.clone())).await?;
        if granted.answer.status == StatusCode::CREATED && from.is_some() {
            same(&granted.answer, self.digest)?;
            granted.answer.discard().await;
            return Ok(Begun::Mounted);
        }
        let answer = expect(granted, &[StatusCode::ACCEPTED])?;
        let least = answer.header("oci-chunk-min-length").and_then(|text| text.parse().ok());
        let piece = operation.inner.limits.upload_piece.max(least.unwrap_or(0)).max(1);
        let next = next(&place, &answer)?;
        answer.discard().await;
        let upload = Upload { place: next, at: 0, piece: piece.min(MAX_PIECE_BYTES) };
        Ok(Begun::Upload(upload))
    }

    /// The next request of it; true when it was the last.
    async fn step(&self, upload: &mut Upload) -> Result<bool, Failure> {
        let Upload { place, at, piece } = upload;
        let left = self.size - *at;
        if left > 0 && (*at > 0 || left > *piece) {
            let length = left.min(*piece);
            let last = *at + length - 1;
            let range = HeaderValue::try_from(format!("{at}-{last}"));
            let range = range.map_err(|error| unreachable(error.to_string()))?;
            let ask = Ask::new(Method::PATCH, place.path.clone())
                .header(header::CONTENT_TYPE, OCTETS)
                .header(header::CONTENT_RANGE, range);
            let payload = Sent::Stream(length, self.open(*at).await?);
            let granted = self.send(place, Ask { payload, ..ask }).await?;
            let answer = expect(granted, &[StatusCode::ACCEPTED, StatusCode::NO_CONTENT])?;
            let stands = received(&answer);
            *place = next(place, &answer)?;
            answer.discard().await;
            if stands.is_some_and(|stands| stands != last + 1) {
                let reason = "it took another part of the upload than it was sent".to_owned();
                return Err(Failure::Unreachable { reason });
            }
            *at = last + 1;
            return Ok(false);
        }
        let ending = place.clone().with("digest", &self.digest.to_string());
        let ask = Ask::new(Method::PUT, ending.path).header(header::CONTENT_TYPE, OCTETS);
        let payload = match left {
            0 => Sent::Bytes(Bytes::new()),
            left => Sent::Stream(left, self.open(*at).await?),
        };
        let granted = self.send(place, Ask { payload, ..ask }).await?;
        let answer = expect(granted, &[StatusCode::CREATED, StatusCode::NO_CONTENT])?;
        same(&answer, self.digest)?;
        answer.discard().await;
        Ok(true)
    }

    /// As long as it takes, while it goes on.
    async fn send(&self, place: &Place, ask: Ask) -> Result<Granted, Failure> {
        self.operation.anew().sent_at(&place.site, ask).await
    }

    async fn open(&self, from: u64) -> Result<Chunks, Failure> {
        let opened = self.source.open(from).await;
        opened.map_err(|error| Failure::Source { reason: error.to_string() })
    }

    /// How far it came, by the registry's own word. None: it knows nothing of it, or not how far.
    async fn standing(&self, upload: &Upload) -> Result<Option<Upload>, Failure> {
        let operation = self.operation.anew();
        let Upload { place, piece, .. } = upload;
        let ask = Ask::new(Method::GET, place.path.clone());
        let granted = match operation.perform_at(Some(&place.site), ask).await {
            Ok(granted) => granted,
            Err(Failure::NotFound | Failure::Rejected { .. }) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let answer = expect(granted, &[StatusCode::NO_CONTENT, StatusCode::ACCEPTED])?;
        let at = received(&answer);
        let place = next(place, &answer).unwrap_or_else(|_| place.clone());
        answer.discard().await;
        let at = at.filter(|at| *at <= self.size);
        Ok(at.map(|at| Upload { place, at, piece: *piece }))
    }
}

/// What a later request may find otherwise.
fn is_resumable(failure: &Failure) -> bool {
    let is_disputed = matches!(failure, Failure::Rejected { status: 416, .. });
    // A token may expire while a piece is on its way.
    failure.is_passing() || is_disputed || matches!(failure, Failure::Unauthorized { .. })
}

/// `Range: 0-LAST`, of which the first byte alone and nothing at all look the same: then it begins again.
fn received(answer: &Answer) -> Option<u64> {
    let text = answer.header(header::RANGE)?;
    let text = text.strip_prefix("bytes=").unwrap_or(text);
    let last: u64 = text.strip_prefix("0-")?.parse().ok()?;
    if last == 0 { None } else { last.checked_add(1) }
}

fn next(place: &Place, answer: &Answer) -> Result<Place, Failure> {
    let status = answer.status.as_u16();
    let not = |found: &str| Failure::NotARegistry { status, found: found.to_owned() };
    let location = answer.header(header::LOCATION);
    let location = location.ok_or_else(|| not("an upload without its location"))?;
    let next = Place::parse(location, &place.site);
    let next = next.map_err(|_| not("an upload whose location leads nowhere"))?;
    if place.site.https && !next.site.https {
        let reason = "a place with TLS sends us to one without";
        return Err(Failure::Guarded { to: next.site.to_string(), reason });
    }
    Ok(next)
}

fn expect(granted: Granted, expected: &[StatusCode]) -> Result<Answer, Failure> {
    let answer = granted.answer;
    if expected.contains(&answer.status) {
        return Ok(answer);
    }
    let status = answer.status.as_u16();
    let found = format!("status {status} where an upload goes on otherwise");
    Err(Failure::NotARegistry { status, found })
}

fn same(answer: &Answer, expected: Digest) -> Result<(), Failure> {
    let told = answer.header(CONTENT_DIGEST).and_then(|text| text.parse().ok());
    match told {
        Some(found) if found != expected => Err(Failure::OtherDigest { expected, found }),
        _ => Ok(()),
    }
}
