//! Manifests, whole and verified.

use bytes::Bytes;
use hyper::{
    Method,
    header::{self, HeaderValue},
};

use serde::Deserialize;

use super::{
    Session, Upstream,
    exchange::{Answer, Ask},
    failure::{Failure, UpstreamError},
    operation::{Granted, Operation, is_redirect},
};
use crate::{
    content::MAX_MANIFEST_BYTES,
    digest::Digest,
    name::{RepositoryName, Target},
};

const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
                      application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json, \
                      application/vnd.docker.distribution.manifest.v2+json";
const MAX_MEDIA_TYPE_BYTES: usize = 255;
pub(super) const CONTENT_DIGEST: &str = "docker-content-digest";

/// A manifest of a registry outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub digest: Digest,
    /// As the registry calls it.
    pub media_type: String,
    /// Those of the digest. Empty where only its head was asked for.
    pub bytes: Bytes,
    /// No credential was used: everybody may have it.
    pub anonymous: bool,
}

/// What it says of itself.
#[derive(Deserialize)]
struct Stated {
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
}

impl Upstream {
    /// With `head` alone, the digest is what the registry says, unless the target is one.
    pub async fn manifest(
        &self,
        session: &Session,
        repository: &RepositoryName,
        target: &Target,
        head: bool,
    ) -> Result<Fetched, UpstreamError> {
        let operation = Operation::new(&self.0, session, repository);
        fetch(&operation, target, head).await.map_err(|failure| operation.error(failure))
    }
}

async fn fetch(operation: &Operation<'_>, target: &Target, head: bool) -> Result<Fetched, Failure> {
    if head && let Some(found) = named(operation, target).await? {
        return Ok(found);
    }
    let mut left = operation.inner.limits.tries;
    loop {
        left = left.saturating_sub(1);
        match whole(operation, target).await {
            // It broke off within: `perform` saw its head alone.
            Err(Failure::Unreachable { .. }) if left > 0 && !operation.is_late() => {}
            done => return done,
        }
    }
}

/// By its head. None: a registry that does not say enough; it is fetched, and so known.
async fn named(operation: &Operation<'_>, target: &Target) -> Result<Option<Fetched>, Failure> {
    let Granted { answer, anonymous } = operation.perform(ask(operation, target, true)).await?;
    // Only a GET is followed to where it leads.
    if is_redirect(&answer) {
        answer.discard().await;
        return Ok(None);
    }
    answer.is_content()?;
    let media_type = media_type(&answer)?;
    let told = told(&answer)?;
    let length = answer.header(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
    if length.is_some_and(|length: u64| length > MAX_MANIFEST_BYTES as u64) {
        return Err(Failure::TooLarge { most: MAX_MANIFEST_BYTES as u64 });
    }
    let asked = digest_of(target);
    same(asked, told)?;
    answer.discard().await;
    let bytes = Bytes::new();
    let known = media_type.zip(asked.or(told));
    Ok(known.map(|(media_type, digest)| Fetched { digest, media_type, bytes, anonymous }))
}

async fn whole(operation: &Operation<'_>, target: &Target) -> Result<Fetched, Failure> {
    let Granted { mut answer, anonymous } =
        operation.perform(ask(operation, target, false)).await?;
    answer.is_content()?;
    let media_type = media_type(&answer)?;
    let told = told(&answer)?;
    let reading =
        tokio::time::timeout_at(operation.deadline, answer.whole(MAX_MANIFEST_BYTES as u64));
    let bytes = reading.await.unwrap_or_else(|_| Err(operation.late()))?;
    let status = answer.status.as_u16();
    let Ok(Stated { media_type: stated }) = serde_json::from_slice(&bytes) else {
        let found = "its manifest is no JSON object".to_owned();
        return Err(Failure::NotARegistry { status, found });
    };
    let media_type =
        media_type.or(stated).filter(|text| text.len() <= MAX_MEDIA_TYPE_BYTES).unwrap_or_default();
    let digest = Digest::of(&bytes);
    same(digest_of(target), Some(digest))?;
    same(told, Some(digest))?;
    Ok(Fetched { digest, media_type, bytes, anonymous })
}

fn digest_of(target: &Target) -> Option<Digest> {
    match target {
        Target::Tag(_) => None,
        Target::Digest(digest) => Some(*digest),
    }
}

fn ask(operation: &Operation<'_>, target: &Target, head: bool) -> Ask {
    let method = if head { Method::HEAD } else { Method::GET };
    Ask::new(method, operation.path(&format!("manifests/{target}")))
        .header(header::ACCEPT, HeaderValue::from_static(ACCEPT))
}

impl Answer {
    /// Whole, as it is, and no page for people.
    pub(super) fn is_content(&self) -> Result<(), Failure> {
        let status = self.status.as_u16();
        let not = |found: String| Err(Failure::NotARegistry { status, found });
        if !matches!(status, 200 | 206) {
            return not(format!("status {status} where content was expected"));
        }
        let kind = self.header(header::CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if matches!(kind.as_str(), "text/html" | "application/xhtml+xml") {
            return not(format!("a page of {kind}, perhaps of a proxy or a login"));
        }
        match self.header(header::CONTENT_ENCODING) {
            None | Some("" | "identity") => Ok(()),
            Some(_) => not("content in an encoding that was not asked for".to_owned()),
        }
    }
}

/// None: it says nothing of use.
fn media_type(answer: &Answer) -> Result<Option<String>, Failure> {
    let Some(text) = answer.header(header::CONTENT_TYPE) else { return Ok(None) };
    let text = text.split(';').next().unwrap_or_default().trim();
    if matches!(text, "" | "application/json" | "application/octet-stream" | "text/plain") {
        return Ok(None);
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/+.-_!#$&^".contains(&byte);
    if text.len() > MAX_MEDIA_TYPE_BYTES || !text.bytes().all(is_plain) || !text.contains('/') {
        let found = "a content type that is none".to_owned();
        return Err(Failure::NotARegistry { status: answer.status.as_u16(), found });
    }
    Ok(Some(text.to_owned()))
}

/// The digest in its head. One of another algorithm than ours says nothing to us.
fn told(answer: &Answer) -> Result<Option<Digest>, Failure> {
    let Some(text) = answer.header(CONTENT_DIGEST) else { return Ok(None) };
    match text.parse() {
        Ok(digest) => Ok(Some(digest)),
        Err(crate::digest::InvalidDigest::Algorithm { .. }) => Ok(None),
        Err(crate::digest::InvalidDigest::Malformed) => {
            let found = "a digest that is none".to_owned();
            Err(Failure::NotARegistry { status: answer.status.as_u16(), found })
        }
    }
}

fn same(expected: Option<Digest>, found: Option<Digest>) -> Result<(), Failure> {
    match (expected, found) {
        (Some(expected), Some(found)) if expected != found => {
            Err(Failure::OtherDigest { expected, found })
        }
        _ => Ok(()),
    }
}
