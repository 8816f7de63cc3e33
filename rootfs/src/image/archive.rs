//! The files of a tar, by their names and by where they stand.

use std::collections::BTreeMap;

use kiln_archive::{Dialect, Kind, Limits, MemberPath, Reader};

use super::{Extent, OpenError};

/// Of one image: blobs, or docker's directories of layers.
const MEMBERS: u64 = 10_000;
const DEPTH: usize = 16;
/// Docker's older archives let one layer be a link to another.
const LINKS: usize = 8;

#[derive(Debug)]
pub(super) struct Archive {
    whole: Extent,
    members: BTreeMap<Vec<u8>, Place>,
}

#[derive(Debug)]
enum Place {
    File { offset: u64, size: u64 },
    Link { target: Vec<u8> },
}

impl Archive {
    pub(super) fn read(whole: Extent) -> Result<Self, OpenError> {
        let limits = Limits { entries: MEMBERS, depth: DEPTH, bytes: whole.size, holes: 0 };
        let mut reader = Reader::new(whole.reader(), Dialect::Layer, limits);
        let mut members = BTreeMap::new();
        while let Some(member) = reader.next().map_err(OpenError::Archive)? {
            let place = match member.kind {
                Kind::File => Place::File { offset: reader.offset(), size: member.size },
                Kind::Symlink { target } => match beside(&member.path, &target) {
                    Some(target) => Place::Link { target },
                    None => continue,
                },
                Kind::HardLink { target } => Place::Link { target: target.bytes().to_vec() },
                _ => continue,
            };
            members.insert(member.path.bytes().to_vec(), place);
            let passed = reader.step_over(super::ExtentReader::advance);
            passed.map_err(OpenError::Archive)?;
        }
        Ok(Self { whole, members })
    }

    pub(super) fn find(&self, name: &str) -> Option<Extent> {
        let mut name = name.as_bytes();
        for _ in 0..LINKS {
            match self.members.get(name)? {
                Place::Link { target } => name = target,
                &Place::File { offset, size } => {
                    let offset = self.whole.offset + offset;
                    return Some(Extent { file: self.whole.file.clone(), offset, size });
                }
            }
        }
        None
    }
}

/// What a link at `path` leads to by its text alone, where that stays in the archive.
fn beside(path: &MemberPath, target: &[u8]) -> Option<Vec<u8>> {
    if !path.keeps_inside(target) {
        return None;
    }
    let mut parts: Vec<&[u8]> = path.split().0.split(|&byte| byte == b'/').collect();
    for part in target.split(|&byte| byte == b'/') {
        match part {
            b".." => drop(parts.pop()),
            b"" | b"." => {}
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    Some(parts.join(&b'/'))
}
