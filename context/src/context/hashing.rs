//! A digest, made beside the reading.

use std::{
    io::{self, ErrorKind},
    sync::mpsc,
    thread,
};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{ContextError, Identity};
use crate::cache::hex;

/// Chunks between the two.
const QUEUE: usize = 8;

pub(super) fn hash(
    write: impl FnOnce(&mut dyn FnMut(Bytes) -> io::Result<()>) -> Result<(), ContextError>,
) -> Result<Identity, ContextError> {
    let (chunks, received) = mpsc::sync_channel::<Bytes>(QUEUE);
    thread::scope(|scope| {
        let hashing = scope.spawn(move || {
            let (mut hash, mut size) = (Sha256::new(), 0);
            for chunk in received {
                hash.update(&chunk);
                size += chunk.len() as u64;
            }
            (hash, size)
        });
        // Gone only if it panicked, which the join tells.
        write(&mut |chunk| chunks.send(chunk).map_err(|_| ErrorKind::BrokenPipe.into()))?;
        drop(chunks);
        match hashing.join() {
            Ok((hash, size)) => {
                let digest = format!("sha256:{}", hex(&hash.finalize()));
                Ok(Identity { digest, size })
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
