//! Finding a Dockerfile in a tar.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufReader, Read},
    path::{Component, Path},
};

use tar::{Archive, EntryType, Header};

use super::StdinError;
use crate::{dockerfile::LONGEST, pack::CHUNK, path::shown};

/// How many links are followed.
const LINKS: usize = 40;
/// More than that, and the guest could not make them either.
const MOST: usize = 4_000_000;

#[derive(Debug)]
enum What {
    /// The number of its member.
    File(usize),
    Symlink(Vec<u8>),
    Other,
}

/// What stands at each path.
#[derive(Debug)]
pub(super) struct Inside(HashMap<Vec<u8>, What>);

/// Whether a tar begins like this.
pub(super) fn is_head(head: &[u8]) -> bool {
    let Some(block) = head.get(..512) else { return false };
    let header = Header::from_byte_slice(block);
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| u32::from(if (148..156).contains(&at) { b' ' } else { *byte }))
        .sum();
    header.cksum().is_ok_and(|said| said == sum)
}

impl Inside {
    pub(super) fn read(spool: &File) -> Result<Self, StdinError> {
        let mut found = HashMap::new();
        let mut archive = Archive::new(BufReader::with_capacity(CHUNK, spool));
        for (number, entry) in archive.entries().map_err(StdinError::Tar)?.enumerate() {
            let entry = entry.map_err(StdinError::Tar)?;
            let Some(path) = plain(&entry.path_bytes()) else { continue };
            let what = match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                    What::File(number)
                }
                EntryType::Symlink => {
                    What::Symlink(entry.link_name_bytes().unwrap_or_default().into_owned())
                }
                EntryType::Link => {
                    let first = entry.link_name_bytes().and_then(|first| plain(&first));
                    match first.and_then(|first| found.get(&first)) {
                        Some(What::File(number)) => What::File(*number),
                        _ => What::Other,
                    }
                }
                EntryType::XGlobalHeader => continue,
                _ => What::Other,
            };
            if found.len() < MOST {
                found.insert(path, what);
            }
        }
        Ok(Self(found))
    }

    pub(super) fn has(&self, name: &[u8]) -> bool {
        let is_below = |path: &Vec<u8>| {
            path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        self.0.keys().any(is_below)
    }

    /// `or_lower`: `dockerfile` will do, too.
    pub(super) fn dockerfile(
        &self,
        spool: &File,
        name: &Path,
        or_lower: bool,
    ) -> Result<Vec<u8>, StdinError> {
        let shown = || shown(name.as_os_str().as_encoded_bytes());
        let path = plain(name.as_os_str().as_encoded_bytes());
        let mut path = path.ok_or_else(|| StdinError::Missing { name: shown() })?;
        if or_lower && !self.0.contains_key(&path) {
            path.make_ascii_lowercase();
        }
        for _ in 0..LINKS {
            match self.0.get(&path) {
                None => return Err(StdinError::Missing { name: shown() }),
                Some(What::File(number)) => return content(spool, *number),
                Some(What::Symlink(target)) => {
                    let parent = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                    let target = [&path[..parent], target].join(&b'/');
                    path = plain(&target).ok_or_else(|| StdinError::Missing { name: shown() })?;
                }
                Some(What::Other) => break,
            }
        }
        Err(StdinError::NoFile { name: shown() })
    }
}

fn content(mut spool: &File, number: usize) -> Result<Vec<u8>, StdinError> {
    use std::io::{Seek, SeekFrom};
    spool.seek(SeekFrom::Start(0)).map_err(StdinError::Spool)?;
    let mut archive = Archive::new(BufReader::with_capacity(CHUNK, spool));
    let mut content = Vec::new();
    if let Some(entry) = archive.entries().map_err(StdinError::Tar)?.nth(number) {
        let entry = entry.map_err(StdinError::Tar)?;
        entry.take(LONGEST + 1).read_to_end(&mut content).map_err(StdinError::Tar)?;
    }
    Ok(content)
}

/// From the root, without what changes nothing; `None` for what leads out.
fn plain(path: &[u8]) -> Option<Vec<u8>> {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in Path::new(OsStr::from_bytes(path)).components() {
        match part {
            Component::Normal(name) => parts.push(name.as_bytes()),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(parts.join(&b'/'))
}
