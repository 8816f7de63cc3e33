//! The cache: directories named by the digest of what they were made from.
//!
//! An entry appears by one rename, whole and on disk. Whoever makes one holds the cache's lock, so
//! an unfinished directory that lies about when the lock is taken belongs to somebody who was
//! killed, and is removed.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, RenameFlags, flock, renameat_with, syncfs};
use tempfile::TempDir;

use crate::digest::Digest;

const UNFINISHED: &str = ".unfinished-";

/// A directory of entries.
#[derive(Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
}

/// The right to make entries. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct CacheLock<'a> {
    cache: &'a Cache,
    /// The open file holds the lock.
    _directory: File,
}

/// Why the cache could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("neither XDG_CACHE_HOME nor HOME is set: name a directory for the cache")]
    NoHome,
    #[error("{path} could not be {done}")]
    Io { done: &'static str, path: PathBuf, source: io::Error },
    #[error("something is mounted at {mount}, below what a killed build left: unmount it")]
    Mounted { mount: PathBuf },
    #[error("{path} holds something else than a guest image: name another directory")]
    Foreign { path: PathBuf },
}

impl Cache {
    /// `${XDG_CACHE_HOME:-~/.cache}/kiln`
    pub(crate) fn default_directory() -> Result<PathBuf, CacheError> {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let home = || Some(PathBuf::from(path("HOME")?).join(".cache"));
        let caches = path("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
        Ok(caches.ok_or(CacheError::NoHome)?.join("kiln"))
    }

    pub(crate) fn open(directory: &Path) -> Result<Self, CacheError> {
        let done = failed("made", directory);
        fs::create_dir_all(directory).map_err(&done)?;
        Ok(Self { directory: fs::canonicalize(directory).map_err(done)? })
    }

    /// Where the entry is, or will be.
    pub(crate) fn entry(&self, key: Digest) -> PathBuf {
        self.directory.join(key.hex())
    }

    /// Waits until nobody else makes entries.
    pub(crate) fn lock(&self) -> Result<CacheLock<'_>, CacheError> {
        let directory = &self.directory;
        let file = File::open(directory).map_err(failed("opened", directory))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            tracing::info!(cache = %directory.display(), "waiting for another build to end");
            let locked = rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockExclusive));
            locked.map_err(|error| failed("locked", directory)(error.into()))?;
        }
        for entry in fs::read_dir(directory).map_err(failed("read", directory))? {
            let entry = entry.map_err(failed("read", directory))?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                refuse_mounts_below(&entry.path())?;
                fs::remove_dir_all(entry.path()).map_err(failed("removed", &entry.path()))?;
            }
        }
        Ok(CacheLock { cache: self, _directory: file })
    }
}

impl CacheLock<'_> {
    /// A directory to work in, which is removed with everything in it.
    pub(crate) fn scratch(&self) -> Result<TempDir, CacheError> {
        unfinished_in(&self.cache.directory)
    }

    /// Makes a finished directory the entry, in place of one that may be there.
    pub(crate) fn publish(&self, finished: TempDir, key: Digest) -> Result<PathBuf, CacheError> {
        let entry = self.cache.entry(key);
        publish(finished, &entry)?;
        Ok(entry)
    }
}

/// A directory beside what it will become.
pub(crate) fn unfinished_in(directory: &Path) -> Result<TempDir, CacheError> {
    let made = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(directory);
    made.map_err(failed("made", &directory.join(UNFINISHED)))
}

/// Puts a finished directory where it belongs: whole or not at all, whatever is there and whatever
/// fails. What was there is removed; who has its files open keeps them.
pub(crate) fn publish(finished: TempDir, place: &Path) -> Result<(), CacheError> {
    let path = finished.path();
    let io = |source: rustix::io::Errno| failed("put in place", place)(source.into());
    let directory = File::open(path).map_err(failed("opened", path))?;
    // Its content is on disk before its name is, so no crash leaves an entry of empty files.
    syncfs(&directory).map_err(io)?;
    // TempDir makes it private; what becomes of it is as public as the cache.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(path, mode).map_err(failed("opened", path))?;
    let here = rustix::fs::CWD;
    if place.exists() {
        renameat_with(here, path, here, place, RenameFlags::EXCHANGE).map_err(io)?;
        return finished.close().map_err(failed("removed", place));
    }
    renameat_with(here, path, here, place, RenameFlags::NOREPLACE).map_err(io)?;
    // Nothing has that name any more.
    let _ = finished.keep();
    Ok(())
}

/// Removing a tree must not reach into what is mounted there.
fn refuse_mounts_below(directory: &Path) -> Result<(), CacheError> {
    const TABLE: &str = "/proc/self/mounts";
    let table = fs::read_to_string(TABLE).map_err(failed("read", Path::new(TABLE)))?;
    // Our own names hold nothing that the table would escape.
    let mounts = table.lines().filter_map(|line| line.split(' ').nth(1)).map(Path::new);
    let below = mounts.into_iter().find(|mount| mount.starts_with(directory));
    below.map_or(Ok(()), |mount| Err(CacheError::Mounted { mount: mount.to_path_buf() }))
}

fn failed(done: &'static str, path: &Path) -> impl Fn(io::Error) -> CacheError {
    let path = path.to_path_buf();
    move |source| CacheError::Io { done, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let names = fs::read_dir(directory).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn an_entry_appears_whole_and_replaces_its_predecessor() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let key = Digest::of(b"inputs");
        let lock = cache.lock().unwrap();
        for content in ["first", "second"] {
            let scratch = lock.scratch().unwrap();
            fs::write(scratch.path().join("file"), content).unwrap();
            let entry = lock.publish(scratch, key).unwrap();
            assert_eq!(fs::read_to_string(entry.join("file")).unwrap(), content);
        }
        assert_eq!(names(directory.path()), [key.hex()]);
    }

    #[test]
    fn the_next_builder_removes_what_a_killed_one_left() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let left = cache.lock().unwrap().scratch().unwrap().keep();
        fs::write(left.join("half"), "").unwrap();
        let lock = cache.lock().unwrap();
        assert!(names(directory.path()).is_empty());
        drop(lock.scratch().unwrap());
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn one_builder_works_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let other = Cache::open(directory.path()).unwrap();
        let lock = cache.lock().unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| other.lock().map(drop));
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(!second.is_finished());
            drop(lock);
            second.join().unwrap().unwrap();
        });
    }
}
