//! Blobs: read from here or from outside, whole or in part; deleted.

use hyper::{StatusCode, header};

use super::{
    answer::{self, Answer},
    body::AnswerBody,
    exchange::{Exchange, Given, Own},
    faults,
    place::Place,
    range,
};
use crate::{
    content::{Blob, Part},
    digest::Digest,
    mirror::Extent,
    problem::{Code, Problem},
    record::{Kind, Origin},
};

const MEDIA_TYPE: &str = "application/octet-stream";

pub(super) async fn read(
    exchange: &Exchange<'_>,
    place: &Place,
    digest: &str,
) -> Result<Answer, Problem> {
    let digest = digest.parse().map_err(|invalid| faults::digest(&invalid))?;
    match place {
        Place::Own(_) => own(exchange, place, digest).await,
        Place::Other { .. } => outside(exchange, place, digest).await,
    }
}

async fn own(exchange: &Exchange<'_>, place: &Place, digest: Digest) -> Result<Answer, Problem> {
    let repository = exchange.repository(place)?;
    let found = exchange.registry.store.blob(&repository, digest).await;
    let stored = found.map_err(faults::store)?.ok_or_else(|| unknown(place, digest))?;
    let size = stored.size;
    if exchange.is_head() {
        return Ok(head(digest, size));
    }
    let asked = range::asked(exchange.header(&header::RANGE), size);
    let part = match asked {
        range::Asked::Whole => None,
        range::Asked::Part(part) => Some(part),
        range::Asked::Outside => return Ok(outside_of(place, size)),
    };
    let blob = Blob { digest, size, origin: Origin::Local, chunks: stored.chunks(part) };
    Ok(given(exchange, place, blob, part))
}

async fn outside(
    exchange: &Exchange<'_>,
    place: &Place,
    digest: Digest,
) -> Result<Answer, Problem> {
    let Place::Other { host, name } = place else { return Err(unknown(place, digest)) };
    let ask = |extent| exchange.registry.mirror.blob(exchange.caller, host, name, digest, extent);
    if exchange.is_head() {
        let blob = ask(Extent::Head).await?;
        return Ok(head(digest, blob.size));
    }
    let Some(range) = exchange.header(&header::RANGE) else {
        let blob = ask(Extent::Whole).await?;
        return Ok(given(exchange, place, blob, None));
    };
    // Only what has a part needs to know how long the whole is, before it is asked for.
    let size = ask(Extent::Head).await?.size;
    match range::asked(Some(range), size) {
        range::Asked::Whole => Ok(given(exchange, place, ask(Extent::Whole).await?, None)),
        range::Asked::Part(part) => {
            let blob = ask(Extent::Part(part)).await?;
            Ok(given(exchange, place, blob, Some(part)))
        }
        range::Asked::Outside => Ok(outside_of(place, size)),
    }
}

fn head(digest: Digest, size: u64) -> Answer {
    described(AnswerBody::empty(), StatusCode::OK, digest, size)
}

fn given(exchange: &Exchange<'_>, place: &Place, blob: Blob, part: Option<Part>) -> Answer {
    let Blob { digest, size, origin, chunks } = blob;
    let Part { start, length } = part.unwrap_or(Part { start: 0, length: size });
    let receipt = exchange.receipt(
        place,
        Given {
            kind: Kind::Blob,
            tag: None,
            digest,
            media_type: MEDIA_TYPE,
            bytes: length,
            origin,
        },
    );
    let body = AnswerBody::stream(chunks, length).with_receipt(receipt);
    let status = if part.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut answer = described(body, status, digest, length);
    if part.is_some() {
        let range = format!("bytes {start}-{}/{size}", start + length - 1);
        answer::set(&mut answer, header::CONTENT_RANGE, range);
    }
    answer
}

fn described(body: AnswerBody, status: StatusCode, digest: Digest, length: u64) -> Answer {
    let mut answer = answer::with(status, body);
    answer::set(&mut answer, header::CONTENT_TYPE, MEDIA_TYPE);
    answer::set(&mut answer, header::CONTENT_LENGTH, length.to_string());
    answer::set(&mut answer, header::ACCEPT_RANGES, "bytes");
    answer::set_digest(&mut answer, digest);
    answer
}

/// No refusal: the blob is there.
fn outside_of(place: &Place, size: u64) -> Answer {
    let message = format!("the part that was asked for lies outside of {size} bytes of {place}");
    let mut answer = answer::problem(&Problem::new(Code::SizeInvalid, 416, message));
    answer::set(&mut answer, header::CONTENT_RANGE, format!("bytes */{size}"));
    answer
}

pub(super) async fn delete(
    exchange: &Exchange<'_>,
    own: &Own<'_>,
    digest: &str,
) -> Result<Answer, Problem> {
    let digest: Digest = digest.parse().map_err(|invalid| faults::digest(&invalid))?;
    let unlinked = exchange.registry.store.unlink(&own.repository, digest).await;
    if unlinked.map_err(faults::store)? {
        Ok(answer::empty(StatusCode::ACCEPTED))
    } else {
        Err(unknown(own.place, digest))
    }
}

fn unknown(place: &Place, digest: Digest) -> Problem {
    Problem::new(Code::BlobUnknown, 404, format!("{place}@{digest} is not here: push it first"))
}
