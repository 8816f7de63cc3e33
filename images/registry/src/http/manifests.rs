//! Manifests: read from here or from outside, pushed, deleted.

use hyper::{StatusCode, header};

use super::{
    answer::{self, Answer, OCI_SUBJECT, OCI_TAG},
    body::AnswerBody,
    exchange::{Exchange, Given, Own},
    faults,
    intake::{self, Sent},
    place::Place,
};
use crate::{
    content::{MAX_MANIFEST_BYTES, Manifest},
    digest::Digest,
    manifest,
    name::{InvalidName, Tag, Target},
    problem::{Code, Problem},
    record::{Kind, Origin},
};

/// Of one request.
const MAX_TAGS: usize = 10;

pub(super) async fn read(
    exchange: &Exchange<'_>,
    place: &Place,
    reference: &str,
) -> Result<Answer, Problem> {
    // What is no tag is none that anything has.
    let target = reference.parse().map_err(|invalid: InvalidName| match invalid {
        InvalidName::Digest(invalid) => faults::digest(&invalid),
        invalid => Problem::new(Code::ManifestUnknown, 404, invalid.to_string()),
    })?;
    let room = exchange.room(MAX_MANIFEST_BYTES).await?;
    let mut manifest = match place {
        Place::Own(_) => own(exchange, place, &target).await?,
        Place::Other { host, name } => {
            exchange.registry.mirror.manifest(exchange.caller, host, name, &target).await?
        }
    };
    manifest.bytes = room.keep(manifest.bytes);
    Ok(given(exchange, place, &target, manifest))
}

async fn own(exchange: &Exchange<'_>, place: &Place, target: &Target) -> Result<Manifest, Problem> {
    let repository = exchange.repository(place)?;
    let found = exchange.registry.store.manifest(&repository, target).await;
    let stored = found.map_err(faults::store)?.ok_or_else(|| unknown(place, target))?;
    let (digest, media_type, bytes) = (stored.digest, stored.media_type, stored.bytes);
    Ok(Manifest { digest, media_type, bytes, origin: Origin::Local })
}

fn given(exchange: &Exchange<'_>, place: &Place, target: &Target, manifest: Manifest) -> Answer {
    let Manifest { digest, media_type, bytes, origin } = manifest;
    let length = bytes.len();
    let tag = match target {
        Target::Tag(tag) => Some(tag.to_string()),
        Target::Digest(_) => None,
    };
    let is_head = exchange.is_head();
    let given = Given {
        kind: Kind::Manifest,
        tag,
        digest,
        media_type: &media_type,
        bytes: if is_head { 0 } else { length as u64 },
        origin,
    };
    let tells_tag = given.tag.is_some();
    let mut body = if is_head { AnswerBody::empty() } else { AnswerBody::whole(bytes) };
    // That a digest is there tells nothing that a build is made of; what a tag means does.
    if !is_head || tells_tag {
        body = body.with_receipt(exchange.receipt(place, given));
    }
    let mut answer = answer::with(StatusCode::OK, body);
    answer::set(&mut answer, header::CONTENT_TYPE, media_type);
    answer::set(&mut answer, header::CONTENT_LENGTH, length.to_string());
    answer::set_digest(&mut answer, digest);
    answer
}

pub(super) async fn put(
    exchange: &Exchange<'_>,
    own: &Own<'_>,
    reference: &str,
    sent: &Sent,
) -> Result<Answer, Problem> {
    let target = target(reference)?;
    let tags = tags(exchange, &target)?;
    let bytes = intake::whole(exchange, sent, MAX_MANIFEST_BYTES).await?;
    let digest = Digest::of(&bytes);
    if let Target::Digest(expected) = target
        && digest != expected
    {
        let message = format!("the manifest is {digest}, not {expected}: send it again");
        return Err(Problem::new(Code::DigestInvalid, 400, message));
    }
    let manifest = manifest::Manifest::parse(exchange.header(&header::CONTENT_TYPE), &bytes)
        .map_err(|invalid| Problem::new(Code::ManifestInvalid, 400, invalid.to_string()))?;
    let store = &exchange.registry.store;
    if tags.is_empty() {
        let put = store.put_manifest(&own.repository, None, &manifest, bytes).await;
        put.map_err(faults::store)?;
    } else {
        for tag in &tags {
            let put =
                store.put_manifest(&own.repository, Some(tag), &manifest, bytes.clone()).await;
            put.map_err(faults::store)?;
        }
    }
    let mut answer = answer::empty(StatusCode::CREATED);
    answer::set(&mut answer, header::LOCATION, format!("/v2/{}/manifests/{digest}", own.place));
    answer::set_digest(&mut answer, digest);
    if let Some(subject) = &manifest.subject {
        answer::set(&mut answer, OCI_SUBJECT, subject.digest.to_string());
    }
    if matches!(target, Target::Digest(_)) && !tags.is_empty() {
        let tags: Vec<_> = tags.iter().map(Tag::as_str).collect();
        answer::set(&mut answer, OCI_TAG, tags.join(", "));
    }
    Ok(answer)
}

pub(super) async fn delete(
    exchange: &Exchange<'_>,
    own: &Own<'_>,
    reference: &str,
) -> Result<Answer, Problem> {
    let target = target(reference)?;
    let store = &exchange.registry.store;
    let deleted = match &target {
        Target::Tag(tag) => store.delete_tag(&own.repository, tag).await,
        Target::Digest(digest) => store.delete_manifest(&own.repository, *digest).await,
    };
    if deleted.map_err(faults::store)? {
        Ok(answer::empty(StatusCode::ACCEPTED))
    } else {
        Err(unknown(own.place, &target))
    }
}

/// Of what is written: here a reference that is none is a mistake, and not only unknown.
fn target(reference: &str) -> Result<Target, Problem> {
    reference.parse().map_err(|invalid| match invalid {
        InvalidName::Digest(invalid) => faults::digest(&invalid),
        invalid => Problem::new(Code::NameInvalid, 400, invalid.to_string()),
    })
}

/// The target's own, or those that the query adds to a digest.
fn tags(exchange: &Exchange<'_>, target: &Target) -> Result<Vec<Tag>, Problem> {
    if let Target::Tag(tag) = target {
        return Ok(vec![tag.clone()]);
    }
    let tags = exchange.query.all("tag").map(str::parse);
    let tags = tags.collect::<Result<Vec<Tag>, _>>();
    let tags = tags.map_err(|invalid| Problem::new(Code::NameInvalid, 400, invalid.to_string()))?;
    if tags.len() > MAX_TAGS {
        let message = format!("a manifest gets at most {MAX_TAGS} tags at once");
        return Err(Problem::new(Code::Unsupported, 414, message));
    }
    Ok(tags)
}

fn unknown(place: &Place, target: &Target) -> Problem {
    let separator = if matches!(target, Target::Tag(_)) { ':' } else { '@' };
    let message = format!("{place}{separator}{target} is not here: push it first");
    Problem::new(Code::ManifestUnknown, 404, message)
}
