//! Secrets by what files say.

mod armour;
mod aws;
mod azure;
mod binary;
mod mark;
mod token;

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use self::mark::Marks;
use super::{HardenError, secret::Secret, shown};
use crate::{
    store::Store,
    tree::{Content, NodeId, Tree},
};

/// Longer files are not looked into.
pub(super) const LIMIT: u64 = 1 << 20;
/// Shorter ones have no room for a secret.
const LEAST: u64 = 20;
/// Files that a thread takes at a time.
const BATCH: usize = 64;

/// In parallel; what is found does not depend on who finds it.
pub(super) fn scan(
    tree: &Tree,
    store: &Store,
    files: &[(NodeId, &Content)],
) -> Result<Vec<(NodeId, Secret)>, HardenError> {
    let marks = Marks::new();
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let failed = Mutex::new(None);
    let work = || {
        let mut buffer = Vec::new();
        loop {
            let start = next.fetch_add(BATCH, Ordering::Relaxed);
            let Some(rest) = files.get(start..) else { return };
            for (id, content) in rest.iter().take(BATCH) {
                if content.size < LEAST {
                    continue;
                }
                match read_into(store, content, &mut buffer) {
                    Ok(()) => {
                        if let Some(secret) = look(&marks, &buffer) {
                            lock(&found).push((*id, secret));
                        }
                    }
                    Err(source) => *lock(&failed) = Some((*id, source)),
                }
            }
            if rest.is_empty() {
                return;
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    if let Some((id, source)) = lock(&failed).take() {
        let path = shown(&tree.path_of(id).unwrap_or_default());
        return Err(HardenError::Read { path, source });
    }
    let mut found = std::mem::take(&mut *lock(&found));
    found.sort_unstable_by_key(|(id, _)| *id);
    Ok(found)
}

/// Of a file within the limit.
pub(super) fn read(store: &Store, content: &Content) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_into(store, content, &mut bytes)?;
    Ok(bytes)
}

fn read_into(store: &Store, content: &Content, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.clear();
    bytes.resize(usize::try_from(content.size).unwrap_or(0), 0);
    for piece in &content.pieces {
        let start = usize::try_from(piece.at).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(piece.length).unwrap_or(usize::MAX));
        let part = bytes.get_mut(start..end).ok_or(io::ErrorKind::InvalidData)?;
        store.read(piece.store, piece.offset, part)?;
    }
    Ok(())
}

fn look(marks: &Marks, bytes: &[u8]) -> Option<Secret> {
    binary::key(bytes).map(Secret::PrivateKey).or_else(|| marks.find(bytes))
}

/// A thread that panicked has told of it already.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
