//! A context as it is sent: known by its digest first, and then packed from any offset on.

mod hashing;
mod spool;
mod surveyed;
#[cfg(test)]
mod tests;

use std::{io, path::Path, thread::sleep, time::Duration};

use bytes::Bytes;

pub(crate) use self::spool::Spool;
use self::surveyed::{Surveyed, survey};
use crate::{
    Cache, Choice, Dockerfile, DockerfileError, InvalidIgnore, PackError, WalkError, cache::Key,
};

/// How often what changes meanwhile is begun anew.
const TRIES: u32 = 5;
/// After the first try, and longer after each.
const PAUSE: Duration = Duration::from_millis(20);

/// What the whole tar is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    pub size: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    #[error(transparent)]
    Dockerfile(#[from] DockerfileError),
    #[error("the ignore file {path}")]
    Ignore { path: String, source: InvalidIgnore },
    #[error(transparent)]
    Walk(#[from] WalkError),
    #[error(transparent)]
    Pack(#[from] PackError),
}

impl ContextError {
    /// Something wrote to the context while it was read: another try may do.
    pub fn is_change(&self) -> bool {
        matches!(
            self,
            Self::Walk(WalkError::Vanished { .. }) | Self::Pack(PackError::Changed { .. })
        )
    }

    /// The other end took no more.
    pub fn is_write(&self) -> bool {
        matches!(self, Self::Pack(PackError::Write(_)))
    }
}

#[derive(Debug)]
pub struct Context {
    from: From,
    identity: Option<Identity>,
    warnings: Vec<String>,
}

#[derive(Debug)]
enum From {
    Directory(Box<Directory>),
    Spool(Spool),
}

#[derive(Debug)]
struct Directory {
    surveyed: Surveyed,
    choice: Option<Choice>,
    cache: Cache,
    key: Key,
}

impl Context {
    /// Of a build.
    pub fn of_build(root: &Path, choice: Choice, cache: Cache) -> Result<Self, ContextError> {
        Self::of_directory(root, Some(choice), cache)
    }

    /// One that a Dockerfile names; it has no Dockerfile of its own.
    pub fn named(root: &Path, cache: Cache) -> Result<Self, ContextError> {
        Self::of_directory(root, None, cache)
    }

    pub(crate) fn of_spool(spool: Spool) -> Self {
        Self { identity: None, from: From::Spool(spool), warnings: Vec::new() }
    }

    fn of_directory(
        root: &Path,
        choice: Option<Choice>,
        cache: Cache,
    ) -> Result<Self, ContextError> {
        let surveyed = again(|| survey(root, choice.as_ref()))?;
        let key = surveyed.key();
        let warnings = surveyed.left_out.clone();
        let directory = Directory { surveyed, choice, cache, key };
        Ok(Self { from: From::Directory(Box::new(directory)), identity: None, warnings })
    }

    /// The Dockerfile, if it is a build's.
    pub fn dockerfile(&self) -> Option<&Dockerfile> {
        match &self.from {
            From::Directory(directory) => directory.surveyed.dockerfile.as_ref(),
            From::Spool(spool) => Some(&spool.dockerfile),
        }
    }

    /// What the user should know: told once.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// What the tar is. Packs it, unless nobody touched the directory since that was done last.
    pub fn identify(&mut self) -> Result<Identity, ContextError> {
        if let Some(identity) = &self.identity {
            return Ok(identity.clone());
        }
        let identity = match &mut self.from {
            From::Spool(spool) => {
                hashing::hash(|take| spool.write_from(0, take).map_err(ContextError::from))?
            }
            From::Directory(directory) => {
                let warnings = &mut self.warnings;
                let mut is_first = true;
                again(|| {
                    if !std::mem::take(&mut is_first) {
                        directory.renew()?;
                    }
                    directory.identify(warnings)
                })?
            }
        };
        self.identity = Some(identity.clone());
        Ok(identity)
    }

    /// The tar, without its first `offset` bytes. A change since [`Self::identify`] is an error: then
    /// [`Self::renew`] it and begin again.
    pub fn write_from(
        &mut self,
        offset: u64,
        take: &mut dyn FnMut(Bytes) -> io::Result<()>,
    ) -> Result<(), ContextError> {
        match &mut self.from {
            From::Spool(spool) => spool.write_from(offset, take).map_err(ContextError::from),
            From::Directory(directory) => {
                directory.surveyed.pack(offset, take, &mut drop).map_err(ContextError::from)
            }
        }
    }

    /// Forgets what was known of it, here and in the cache.
    pub fn renew(&mut self) -> Result<(), ContextError> {
        self.identity = None;
        match &mut self.from {
            From::Spool(_) => Ok(()),
            From::Directory(directory) => {
                directory.cache.forget(&directory.key);
                again(|| directory.renew())
            }
        }
    }
}

impl Directory {
    fn renew(&mut self) -> Result<(), ContextError> {
        self.surveyed = survey(&self.surveyed.root, self.choice.as_ref())?;
        self.key = self.surveyed.key();
        Ok(())
    }

    fn identify(&self, warnings: &mut Vec<String>) -> Result<Identity, ContextError> {
        let fingerprint = &self.surveyed.fingerprint;
        if let Some(known) = self.cache.find(&self.key, fingerprint) {
            return Ok(known);
        }
        let mut said = Vec::new();
        let identity = hashing::hash(|take| {
            let packed = self.surveyed.pack(0, take, &mut |warning| said.push(warning));
            packed.map_err(ContextError::from)
        })?;
        warnings.extend(said);
        self.cache.keep(&self.key, fingerprint, &identity);
        Ok(identity)
    }
}

fn again<T>(mut attempt: impl FnMut() -> Result<T, ContextError>) -> Result<T, ContextError> {
    let mut tries = 1;
    loop {
        match attempt() {
            Err(error) if error.is_change() && tries < TRIES => sleep(PAUSE * tries),
            done => return done,
        }
        tries += 1;
    }
}
