//! Blobs: streamed from where they are wanted, and resumed when the connection breaks.
//! That they are those of the digest is for who stores them to verify.

use std::io;

use bytes::Bytes;
use futures_util::stream;
use hyper::{
    Method, StatusCode,
    header::{self, HeaderValue},
};
use tokio::time::Instant;

use super::{
    Session, Upstream,
    dial::unreachable,
    exchange::{Answer, Ask},
    failure::{Failure, UpstreamError},
    operation::{Granted, Operation, is_redirect},
};
use crate::{content::Chunks, digest::Digest, name::RepositoryName};

/// More than anybody has in one layer, less than overflows.
const MAX_BLOB_BYTES: u64 = 1 << 44;
const MIN_PROGRESS_BYTES: u64 = 16 << 10;

/// A blob of a registry outside.
pub struct Download {
    /// Of all of it.
    pub size: u64,
    /// Where the chunks begin: what was asked for.
    pub start: u64,
    /// To its end, `size - start` bytes, or an error, with an [`UpstreamError`] within.
    pub chunks: Chunks,
    /// No credential was used: everybody may have it.
    pub anonymous: bool,
}

/// That a registry has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// None: it did not say.
    pub size: Option<u64>,
    pub anonymous: bool,
}

impl Upstream {
    pub async fn blob(
        &self,
        session: &Session,
        repository: &RepositoryName,
        digest: Digest,
        from: u64,
    ) -> Result<Download, UpstreamError> {
        let operation = Operation::new(&self.0, session, repository);
        let opened = open(&operation, digest, from, None).await;
        let Opened { answer, size, anonymous } =
            opened.map_err(|failure| operation.error(failure))?;
        let reading = Reading {
            upstream: self.clone(),
            session: session.clone(),
            repository: repository.clone(),
            digest,
            size,
            at: from,
            answer: Some(answer),
            left: self.0.limits.tries,
            lost_at: from,
        };
        let chunks = stream::try_unfold(reading, |mut reading| async move {
            let chunk = reading.next().await?;
            Ok(chunk.map(|chunk| (chunk, reading)))
        });
        Ok(Download { size, start: from, chunks: Box::pin(chunks), anonymous })
    }

    /// Not there is [`Failure::NotFound`].
    pub async fn has_blob(
        &self,
        session: &Session,
        repository: &RepositoryName,
        digest: Digest,
    ) -> Result<Presence, UpstreamError> {
        let operation = Operation::new(&self.0, session, repository);
        present(&operation, digest).await.map_err(|failure| operation.error(failure))
    }
}

/// A registry that only sends us elsewhere has granted nothing yet: there, a byte is asked for.
async fn present(operation: &Operation<'_>, digest: Digest) -> Result<Presence, Failure> {
    let path = operation.path(&format!("blobs/{digest}"));
    let Granted { answer, anonymous } =
        operation.perform(Ask::new(Method::HEAD, path.clone())).await?;
    if !is_redirect(&answer) {
        return presence(answer, anonymous).await;
    }
    answer.discard().await;
    let mut ask = Ask::new(Method::GET, path);
    // Of nothing there is no first byte.
    if digest != Digest::of(b"") {
        ask = ask.header(header::RANGE, HeaderValue::from_static("bytes=0-0"));
    }
    let granted = operation.perform(ask).await?;
    presence(granted.answer, anonymous && granted.anonymous).await
}

async fn presence(answer: Answer, anonymous: bool) -> Result<Presence, Failure> {
    answer.is_content()?;
    let size = if answer.status == StatusCode::PARTIAL_CONTENT {
        answer.header(header::CONTENT_RANGE).and_then(|text| text.rsplit_once('/')?.1.parse().ok())
    } else {
        length(&answer)
    };
    answer.discard().await;
    Ok(Presence { size, anonymous })
}

struct Opened {
    answer: Answer,
    size: u64,
    anonymous: bool,
}

/// At `from`, whatever the registry makes of a range. `size`: as it was told before.
async fn open(
    operation: &Operation<'_>,
    digest: Digest,
    from: u64,
    size: Option<u64>,
) -> Result<Opened, Failure> {
    let mut ask = Ask::new(Method::GET, operation.path(&format!("blobs/{digest}")));
    if from > 0 {
        let range = HeaderValue::try_from(format!("bytes={from}-"));
        ask = ask.header(header::RANGE, range.map_err(|error| unreachable(error.to_string()))?);
    }
    let Granted { mut answer, anonymous } = operation.perform(ask).await?;
    answer.is_content()?;
    let status = answer.status;
    let not =
        |found: &str| Failure::NotARegistry { status: status.as_u16(), found: found.to_owned() };
    let whole = if status == StatusCode::PARTIAL_CONTENT {
        let (start, whole) = range(&answer).ok_or_else(|| not("a part without its range"))?;
        if start != from {
            return Err(not("another part than was asked for"));
        }
        whole
    } else {
        length(&answer).ok_or_else(|| not("a blob without its length"))?
    };
    if whole > MAX_BLOB_BYTES {
        return Err(Failure::TooLarge { most: MAX_BLOB_BYTES });
    }
    if let Some(expected) = size.filter(|expected| *expected != whole) {
        return Err(Failure::OtherSize { expected, found: whole });
    }
    if from > whole {
        return Err(Failure::OtherSize { expected: from, found: whole });
    }
    if status != StatusCode::PARTIAL_CONTENT {
        skip(&mut answer, from).await?;
    }
    Ok(Opened { answer, size: whole, anonymous })
}

/// A registry that knows no ranges sends what is there already once more.
async fn skip(answer: &mut Answer, mut bytes: u64) -> Result<(), Failure> {
    while bytes > 0 {
        let chunk = answer.chunk().await?;
        let chunk = chunk.ok_or_else(|| unreachable("its answer ends early".to_owned()))?;
        match (chunk.len() as u64).checked_sub(bytes) {
            Some(0) => bytes = 0,
            Some(_) => {
                answer.put_back(chunk.slice(usize::try_from(bytes).unwrap_or(chunk.len())..));
                bytes = 0;
            }
            None => bytes -= chunk.len() as u64,
        }
    }
    Ok(())
}

fn length(answer: &Answer) -> Option<u64> {
    answer.header(header::CONTENT_LENGTH)?.parse().ok()
}

/// `bytes START-END/SIZE`, to the end of it.
fn range(answer: &Answer) -> Option<(u64, u64)> {
    let text = answer.header(header::CONTENT_RANGE)?.strip_prefix("bytes ")?;
    let (part, size) = text.split_once('/')?;
    let (start, end) = part.split_once('-')?;
    let (start, end, size) =
        (start.parse().ok()?, end.parse::<u64>().ok()?, size.parse::<u64>().ok()?);
    let is_rest = start <= end && end.checked_add(1)? == size;
    let said = length(answer).is_none_or(|length| length == size - start);
    (is_rest && said).then_some((start, size))
}

/// Where a download stands.
struct Reading {
    upstream: Upstream,
    session: Session,
    repository: RepositoryName,
    digest: Digest,
    size: u64,
    at: u64,
    answer: Option<Answer>,
    /// Tries, until it gets on again.
    left: u32,
    /// Where it stood when the last one was lost.
    lost_at: u64,
}

impl Reading {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let failure = match self.step().await {
                Ok(Some(bytes)) => {
                    // A byte for each connection is no way to get on.
                    if self.at - self.lost_at >= MIN_PROGRESS_BYTES {
                        self.left = self.upstream.0.limits.tries;
                    }
                    return Ok(Some(bytes));
                }
                Ok(None) => return Ok(None),
                Err(failure) => failure,
            };
            self.answer = None;
            self.lost_at = self.at;
            self.left = self.left.saturating_sub(1);
            let is_lost = matches!(failure, Failure::Unreachable { .. });
            if !is_lost || self.left == 0 {
                let Self { session, repository, .. } = self;
                let (host, repository) = (session.host.clone(), repository.clone());
                return Err(io::Error::other(UpstreamError { host, repository, failure }));
            }
            tokio::time::sleep_until(Instant::now() + self.upstream.0.limits.back_off).await;
        }
    }

    async fn step(&mut self) -> Result<Option<Bytes>, Failure> {
        if self.answer.is_none() {
            let operation = Operation::new(&self.upstream.0, &self.session, &self.repository);
            let opened = open(&operation, self.digest, self.at, Some(self.size)).await?;
            self.answer = Some(opened.answer);
        }
        let Some(answer) = &mut self.answer else { return Ok(None) };
        match answer.chunk().await? {
            Some(bytes) => {
                let found = self.at + bytes.len() as u64;
                if found > self.size {
                    return Err(Failure::OtherSize { expected: self.size, found });
                }
                self.at = found;
                Ok(Some(bytes))
            }
            None if self.at < self.size => Err(unreachable("its answer ends early".to_owned())),
            None => Ok(None),
        }
    }
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { size, start, anonymous, chunks: _ } = self;
        f.debug_struct("Download")
            .field("size", size)
            .field("start", start)
            .field("anonymous", anonymous)
            .finish_non_exhaustive()
    }
}
