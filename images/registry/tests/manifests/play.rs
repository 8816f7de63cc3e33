//! What holds for whatever is read: shared by the tests and the fuzz targets.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_core::Stream;
use kiln_registry::{
    layout::{Archive, Entry, InvalidLayout},
    manifest::{Content, Descriptor, MAX_DESCRIPTORS, Manifest, media},
};

use super::lenient::{self, Seen, Taken};

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Understood,
    Refused,
}

/// Its first byte says under which type the rest was sent.
pub(crate) fn manifest(input: &[u8]) -> End {
    let Some((kind, bytes)) = input.split_first() else { return End::Refused };
    let declared = match kind % 6 {
        0 => None,
        1 => Some("application/json"),
        kind => Some(media::MANIFESTS[usize::from(kind - 2)]),
    };
    let Ok(manifest) = Manifest::parse(declared, bytes) else { return End::Refused };

    // Who hears another type, or none, reads the same or nothing.
    for other in media::MANIFESTS.map(Some).into_iter().chain([None]) {
        if let Ok(other) = Manifest::parse(other, bytes) {
            assert_eq!(other.content, manifest.content);
        }
    }
    // What is written is read again.
    assert_eq!(Manifest::parse(declared, &manifest.to_json()).as_ref(), Ok(&manifest));
    // Careless readers find nothing else in it.
    for taken in [Taken::First, Taken::Last] {
        let seen = lenient::read(bytes, taken).expect("it is an object");
        assert_eq!(seen, strict(&manifest, &seen.media_type));
    }
    bounded(&manifest);
    End::Understood
}

fn bounded(manifest: &Manifest) {
    let named = all(manifest);
    assert!(named.len() <= MAX_DESCRIPTORS + 1);
    assert!(i64::try_from(manifest.size()).is_ok());
    let required: Vec<_> = manifest.required().collect();
    assert!(required.iter().all(|digest| named.iter().any(|named| named.digest == *digest)));
    for line in named.iter().map(|named| &named.media_type).chain([&manifest.media_type]) {
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
    }
}

fn all(manifest: &Manifest) -> Vec<&Descriptor> {
    match &manifest.content {
        Content::Image { config, layers } => [&**config].into_iter().chain(layers).collect(),
        Content::Index { manifests } => manifests.iter().collect(),
    }
}

/// As a careless reader puts it; what the body does not say it cannot know.
fn strict(manifest: &Manifest, stated: &str) -> Seen {
    let digests = |parts: &[Descriptor]| parts.iter().map(|part| part.digest.to_string()).collect();
    let digests = match &manifest.content {
        Content::Image { config, layers } => {
            [vec![config.digest.to_string()], digests(layers), Vec::new()]
        }
        Content::Index { manifests } => [Vec::new(), Vec::new(), digests(manifests)],
    };
    let media_type = if stated.is_empty() { String::new() } else { manifest.media_type.clone() };
    Seen { media_type, digests, sizes: all(manifest).iter().map(|part| part.size).collect() }
}

type Read = Result<Vec<(Entry, Bytes)>, String>;

/// A tar means the same in whatever pieces it comes.
pub(crate) fn archive(input: &[u8]) -> End {
    let whole = read(input, input.len().max(1));
    for piece in [1 << 9, 1 + input.len() / 3, 7] {
        assert_eq!(read(input, piece), whole);
    }
    let Ok(entries) = whole else { return End::Refused };
    for (entry, content) in entries {
        assert!(content.len() <= input.len());
        assert!(!entry.path.chars().any(char::is_control));
    }
    End::Understood
}

fn read(input: &[u8], piece: usize) -> Read {
    let pieces = Pieces(Bytes::copy_from_slice(input), piece);
    let reading = async move {
        let mut archive = Archive::new(Box::pin(pieces));
        let mut found = Vec::new();
        while let Some(entry) = archive.next().await? {
            found.push((entry, archive.whole(1 << 16).await?));
        }
        Ok(found)
    };
    now(reading).map_err(|error: InvalidLayout| error.to_string())
}

/// Nothing is waited for: all of it is there.
fn now<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

struct Pieces(Bytes, usize);

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let length = self.1.min(self.0.len());
        Poll::Ready((length > 0).then(|| Ok(self.0.split_to(length))))
    }
}
