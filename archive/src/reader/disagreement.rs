//! Archives that readers of tar understand differently: what we take, Python's tarfile and GNU tar
//! must read in the same way. 1,000 seeded cases for each dialect.

mod layer;
mod mutant;
mod others;

use std::{fmt, fs};

use super::*;

const CASES: u64 = 1000;
/// Of them, so many have to be taken, or the comparison says nothing.
const TAKEN: usize = 150;
/// And of those, so many with a hole in a file.
const HOLLOW: usize = 25;

/// A member as a reader understands it.
#[derive(Clone, PartialEq, Eq)]
struct Reading {
    /// As `tar tv` begins its line.
    kind: char,
    name: Vec<u8>,
    size: u64,
    link: Vec<u8>,
    mode: u32,
    owner: (i64, i64),
    device: (u32, u32),
    /// Only what some reader shows.
    more: Option<More>,
}

#[derive(Clone, PartialEq, Eq)]
struct More {
    seconds: i64,
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// A file's, with zeros where its holes are.
    content: Vec<u8>,
}

impl fmt::Debug for Reading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, size, link, mode, owner, device, more } = self;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (name, link) = (text(name), text(link));
        write!(formatter, "{kind}{mode:o} {owner:?} {device:?} {name:?} {size} {link:?}")?;
        if let Some(More { seconds, attributes, content }) = more {
            let shown: Vec<_> = attributes.iter().map(|(a, b)| (text(a), text(b))).collect();
            write!(formatter, " {seconds} {shown:?} {} bytes", content.len())?;
        }
        Ok(())
    }
}

fn ours(archive: &[u8], dialect: Dialect) -> Result<Vec<Reading>, ReadError> {
    let limits = Limits { entries: 1000, depth: 64, bytes: 1 << 24, holes: 1 << 24 };
    let mut reader = Reader::new(archive, dialect, limits);
    let mut readings = Vec::new();
    while let Some(member) = reader.next()? {
        let mut data = Vec::new();
        let mut buffer = [0; 512];
        loop {
            match reader.read_body(&mut buffer)? {
                0 => break,
                read => data.extend_from_slice(&buffer[..read]),
            }
        }
        let numbers = |major: Option<u32>, minor: Option<u32>| {
            (major.unwrap_or_default(), minor.unwrap_or_default())
        };
        let (kind, link, device) = match member.kind {
            Kind::File => ('-', Vec::new(), (0, 0)),
            Kind::Sparse { map } => {
                data = spread(&map, &data);
                ('-', Vec::new(), (0, 0))
            }
            Kind::Directory => ('d', Vec::new(), (0, 0)),
            Kind::Symlink { target } => ('l', target, (0, 0)),
            Kind::HardLink { target } => ('h', target.bytes().to_vec(), (0, 0)),
            Kind::CharacterDevice { major, minor } => ('c', Vec::new(), numbers(major, minor)),
            Kind::BlockDevice { major, minor } => ('b', Vec::new(), numbers(major, minor)),
            Kind::Fifo => ('p', Vec::new(), (0, 0)),
        };
        let attributes = member.attributes.into_iter();
        readings.push(Reading {
            kind,
            name: member.path.bytes().to_vec(),
            size: member.size,
            link,
            mode: member.mode,
            owner: (member.user, member.group),
            device,
            more: Some(More {
                seconds: member.modified.whole_seconds(),
                attributes: attributes.map(|(name, value)| (name.into(), value.into())).collect(),
                content: data,
            }),
        });
    }
    Ok(readings)
}

fn spread(map: &Map, mut data: &[u8]) -> Vec<u8> {
    let mut content = vec![0; usize::try_from(map.size).unwrap()];
    for segment in &map.segments {
        let (now, later) = data.split_at(usize::try_from(segment.length).unwrap());
        content[usize::try_from(segment.offset).unwrap()..][..now.len()].copy_from_slice(now);
        data = later;
    }
    content
}

#[test]
fn what_is_taken_is_read_as_others_read_it() {
    compare(Dialect::Output, mutant::mutant);
}

#[test]
fn layers_are_read_as_others_read_them() {
    compare(Dialect::Layer, layer::layer);
}

fn compare(dialect: Dialect, archive: fn(u64) -> Vec<u8>) {
    let base = tempfile::tempdir().unwrap();
    let archives: Vec<_> = (0..CASES).map(archive).collect();
    // Only what we take: other readers never come back from some of the rest.
    let taken: Vec<_> = archives
        .iter()
        .filter_map(|archive| Some((archive, ours(archive, dialect).ok()?)))
        .collect();
    for (number, (archive, _)) in taken.iter().enumerate() {
        fs::write(base.path().join(format!("{number:04}.tar")), archive).unwrap();
    }
    let readers = [("tarfile", others::tarfile(base.path())), ("tar", others::gnu(base.path()))];
    let mut wrong = Vec::new();
    for (number, (_, reading)) in taken.iter().enumerate() {
        for (name, readings) in &readers {
            let theirs = &readings[number];
            let is_same = theirs.as_ref().is_some_and(|theirs| same(reading, theirs, dialect));
            if !is_same {
                wrong.push((number, *name, reading.clone(), theirs.clone()));
            }
        }
    }
    let is_hollow = |archive: &[u8]| {
        archive.chunks(512).any(|block| block[156] == b'S' && &block[257..262] == b"ustar")
            || archive.windows(11).any(|text| text == b"GNU.sparse.")
    };
    let hollow = taken.iter().filter(|(archive, _)| is_hollow(archive)).count();
    let (taken, refused) = (taken.len(), archives.len() - taken.len());
    assert!(taken >= TAKEN, "only {taken} archives were taken");
    assert!(hollow >= HOLLOW, "only {hollow} archives with holes were taken");
    assert!(refused >= TAKEN, "only {refused} archives were refused");
    assert!(wrong.is_empty(), "{} disagree: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
}

/// As far as the other reader tells, and as far as the dialect has a meaning.
fn same(ours: &[Reading], theirs: &[Reading], dialect: Dialect) -> bool {
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(ours, theirs)| {
            let mut ours = ours.clone();
            if theirs.more.is_none() {
                ours.more = None;
            }
            match dialect {
                Dialect::Layer => ours == *theirs,
                Dialect::Output => {
                    (ours.kind, ours.name, ours.size, ours.link)
                        == (theirs.kind, theirs.name.clone(), theirs.size, theirs.link.clone())
                }
            }
        })
}
