//! Bytes that no two blobs share, though they are made only once.

use std::sync::atomic::{AtomicU64, Ordering};

use kiln_tests::Dice;
use sha2::{Digest as _, Sha256};

/// Of what is at its own beginning.
const HEAD: usize = 64;

/// What all blobs are made of.
pub(crate) struct Material(Vec<u8>);

#[derive(Clone, Debug)]
pub(crate) struct Blob {
    head: Vec<u8>,
    pub(crate) size: usize,
    pub(crate) digest: String,
}

impl Material {
    /// Nothing makes it smaller.
    pub(crate) fn new(largest: usize) -> Self {
        let mut dice = Dice::new(7);
        Self((0..largest).map(|_| dice.byte()).collect())
    }

    /// Like none before it.
    pub(crate) fn blob(&self, size: usize) -> Blob {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let head = format!("{}-{number}", std::process::id());
        let head = format!("{head:<HEAD$}").into_bytes();
        let mut blob = Blob { head, size, digest: String::new() };
        let mut hash = Sha256::new();
        for part in blob.parts(self) {
            hash.update(part);
        }
        blob.digest = digest(hash);
        blob
    }
}

impl Blob {
    /// Of one that is longer than what it is made of, that again.
    pub(crate) fn parts<'a>(&'a self, material: &'a Material) -> impl Iterator<Item = &'a [u8]> {
        let mut left = self.size - HEAD;
        let rest = std::iter::from_fn(move || {
            let part = left.min(material.0.len());
            left -= part;
            (part > 0).then(|| &material.0[..part])
        });
        std::iter::once(&self.head[..]).chain(rest)
    }
}

pub(crate) fn digest(hash: Sha256) -> String {
    use std::fmt::Write as _;
    hash.finalize().iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
