//! Work that may block on a file system goes to a thread of its own, so that a stuck disk never
//! stalls the agent.

use std::{io, thread};

use tokio::sync::oneshot;

/// Path look-ups and small files need little.
const STACK_BYTES: usize = 256 * 1024;

/// Runs `work` on a new thread. A pool would do worse here: tokio's panics when a fork bomb has
/// taken the last thread, and a panic of PID 1 takes the guest down.
///
/// # Cancel safety
/// The work goes on; its result is dropped.
pub(crate) async fn offload<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(move || {
        // An asker who went away wants no result.
        let _ = done.send(work());
    })?;
    result.await.map_err(|_| io::Error::other("the thread panicked"))
}
