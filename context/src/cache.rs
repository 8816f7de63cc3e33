//! What contexts were when they were last packed, so that one that nobody touched need not be read.
//!
//! One small file for each directory and Dockerfile. Nothing depends on it: what is damaged, missing
//! or cannot be written costs time alone.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs::{self, DirBuilder},
    io::Write as _,
    os::unix::{ffi::OsStrExt, fs::DirBuilderExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{context::Identity, fingerprint::Fingerprint};

/// Directories that are remembered; the oldest are forgotten first.
const MOST: usize = 512;
/// Far more than an entry has.
const LONGEST: u64 = 4096;

#[derive(Clone, Debug)]
pub struct Cache {
    directory: Option<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    fingerprint: String,
    digest: String,
    size: u64,
}

impl Cache {
    /// Remembers nothing.
    pub fn none() -> Self {
        Self { directory: None }
    }

    pub fn at(directory: PathBuf) -> Self {
        Self { directory: Some(directory) }
    }

    /// In the user's own cache, unless `KILN_NO_CONTEXT_CACHE` is set.
    pub fn of_user(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        if set("KILN_NO_CONTEXT_CACHE").is_some() {
            return Self::none();
        }
        let absolute = |path: &PathBuf| path.is_absolute();
        let cache = set("XDG_CACHE_HOME").map(PathBuf::from).filter(absolute);
        let home = || set("HOME").map(PathBuf::from).filter(absolute);
        let cache = cache.or_else(|| Some(home()?.join(".cache")));
        Self { directory: cache.map(|cache| cache.join("kiln/contexts")) }
    }

    pub(crate) fn find(&self, key: &Key, fingerprint: &Fingerprint) -> Option<Identity> {
        let path = self.directory.as_ref()?.join(&key.0);
        if fs::metadata(&path).ok()?.len() > LONGEST {
            return None;
        }
        let entry: Entry = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        (entry.fingerprint == hex(&fingerprint.hash)).then_some(())?;
        let digits = entry.digest.strip_prefix("sha256:")?;
        let is_digest = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_digest.then_some(Identity { digest: entry.digest, size: entry.size })
    }

    /// Only of what would look different after a change.
    pub(crate) fn keep(&self, key: &Key, fingerprint: &Fingerprint, identity: &Identity) {
        let Some(directory) = self.directory.as_ref().filter(|_| fingerprint.is_settled) else {
            return;
        };
        let entry = Entry {
            fingerprint: hex(&fingerprint.hash),
            digest: identity.digest.clone(),
            size: identity.size,
        };
        // Whatever goes wrong: the next time it is read again.
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        let _ = store(directory, key, &entry);
        let _ = forget_oldest(directory);
    }

    pub(crate) fn forget(&self, key: &Key) {
        if let Some(directory) = &self.directory {
            let _ = fs::remove_file(directory.join(&key.0));
        }
    }
}

/// Of one directory, packed in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn of(directory: &Path, options: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in [directory.as_os_str().as_bytes()].iter().chain(options) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hex(&hash.finalize()))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whole or not at all, also for those who read it meanwhile.
fn store(directory: &Path, key: &Key, entry: &Entry) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(&serde_json::to_vec(entry)?)?;
    file.persist(directory.join(&key.0))?;
    Ok(())
}

fn forget_oldest(directory: &Path) -> std::io::Result<()> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let modified = entry.metadata()?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        entries.push((modified, entry.path()));
    }
    if entries.len() > MOST {
        entries.sort();
        for (_, path) in &entries[..entries.len() - MOST] {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity { digest: format!("sha256:{}", "0a".repeat(32)), size: 7 }
    }

    const SEEN: Fingerprint = Fingerprint { hash: [1; 32], is_settled: true };

    #[test]
    fn what_was_kept_is_found_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let cache = Cache::at(base.path().join("kiln/contexts"));
        let key = Key::of(Path::new("/a"), &[b"x"]);
        assert_eq!(cache.find(&key, &SEEN), None);
        cache.keep(&key, &SEEN, &identity());
        assert_eq!(cache.find(&key, &SEEN), Some(identity()));
        assert_eq!(cache.find(&key, &Fingerprint { hash: [2; 32], ..SEEN }), None);
        for other in [Key::of(Path::new("/b"), &[b"x"]), Key::of(Path::new("/a"), &[])] {
            assert_eq!(cache.find(&other, &SEEN), None);
        }
        cache.forget(&key);
        assert_eq!(cache.find(&key, &SEEN), None);
        cache.keep(&key, &Fingerprint { is_settled: false, ..SEEN }, &identity());
        assert_eq!(cache.find(&key, &SEEN), None, "what is not settled was kept");
    }

    #[test]
    fn what_is_damaged_is_nothing() {
        let base = tempfile::tempdir().unwrap();
        let cache = Cache::at(base.path().to_owned());
        let key = Key::of(Path::new("/a"), &[]);
        cache.keep(&key, &SEEN, &identity());
        let path = base.path().join(&key.0);
        let good = fs::read_to_string(&path).unwrap();
        for bad in [
            String::new(),
            good[..good.len() / 2].to_owned(),
            good.replace("sha256:0a", "sha256:zz"),
            good.replace("sha256:", "md5:"),
            format!("{good}{}", " ".repeat(5000)),
        ] {
            fs::write(&path, &bad).unwrap();
            assert_eq!(cache.find(&key, &SEEN), None, "{bad}");
        }
        cache.keep(&key, &SEEN, &identity());
        assert_eq!(cache.find(&key, &SEEN), Some(identity()));
        // A place that cannot be: nothing is remembered, and nothing fails.
        Cache::at(path.join("below a file")).keep(&key, &SEEN, &identity());
    }

    #[test]
    fn it_stays_small() {
        let base = tempfile::tempdir().unwrap();
        let cache = Cache::at(base.path().to_owned());
        for number in 0..MOST + 20 {
            let key = Key::of(Path::new("/a"), &[&number.to_le_bytes()]);
            cache.keep(&key, &SEEN, &identity());
        }
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), MOST);
    }

    #[test]
    fn it_stands_in_the_users_cache() {
        let check = |variables: &[(&str, &str)], expected: Option<&str>| {
            let found = Cache::of_user(|name| {
                let value = variables.iter().find(|(key, _)| *key == name);
                value.map(|(_, value)| OsString::from(value))
            });
            assert_eq!(found.directory, expected.map(PathBuf::from), "{variables:?}");
        };
        let home = ("HOME", "/home/a");
        check(&[home], Some("/home/a/.cache/kiln/contexts"));
        check(&[home, ("XDG_CACHE_HOME", "/c")], Some("/c/kiln/contexts"));
        check(&[home, ("XDG_CACHE_HOME", "c")], Some("/home/a/.cache/kiln/contexts"));
        check(&[home, ("KILN_NO_CONTEXT_CACHE", "1")], None);
        check(&[], None);
    }
}
