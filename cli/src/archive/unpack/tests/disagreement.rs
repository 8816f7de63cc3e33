//! Archives that readers of tar understand differently: what we take, Python's tarfile and GNU tar
//! must read in the same way. 1,000 seeded cases.

mod mutant;
mod others;

use std::fmt;

use super::{
    super::super::reader::{Kind, Reader},
    *,
};

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
}

impl fmt::Debug for Reading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, size, link } = self;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        write!(formatter, "{kind} {:?} {size} {:?}", text(name), text(link))
    }
}

fn ours(archive: &[u8]) -> Result<Vec<Reading>, ReadError> {
    let limits = Limits { entries: 1000, depth: 64, bytes: 1 << 30, holes: 1 << 30 };
    let mut reader = Reader::new(archive, limits);
    let mut readings = Vec::new();
    while let Some(member) = reader.next()? {
        let (kind, link) = match member.kind {
            Kind::File | Kind::Sparse { .. } => ('-', Vec::new()),
            Kind::Directory => ('d', Vec::new()),
            Kind::Symlink { target } => ('l', target),
            Kind::HardLink { target } => ('h', target.bytes().to_vec()),
            Kind::Special { name } if name.contains("char") => ('c', Vec::new()),
            Kind::Special { name } if name.contains("block") => ('b', Vec::new()),
            Kind::Special { .. } => ('p', Vec::new()),
        };
        readings.push(Reading {
            kind,
            name: member.path.bytes().to_vec(),
            size: member.size,
            link,
        });
    }
    Ok(readings)
}

#[expect(
    clippy::print_stdout,
    reason = "how much was compared, and with whom, is part of the verdict"
)]
fn say(message: &str) {
    println!("{message}");
}

#[test]
fn what_is_taken_is_read_as_others_read_it() {
    let base = tempfile::tempdir().unwrap();
    let archives: Vec<_> = (0..CASES).map(mutant::mutant).collect();
    // Only what we take: other readers never come back from some of the rest.
    let taken: Vec<_> =
        archives.iter().filter_map(|archive| Some((archive, ours(archive).ok()?))).collect();
    for (number, (archive, _)) in taken.iter().enumerate() {
        fs::write(base.path().join(format!("{number:04}.tar")), archive).unwrap();
    }
    let readers = [("tarfile", others::tarfile(base.path())), ("tar", others::gnu(base.path()))];
    let mut wrong = Vec::new();
    for (number, (_, reading)) in taken.iter().enumerate() {
        for (name, readings) in &readers {
            // A reader that is not installed was named by `others`.
            if let Some(readings) = readings
                && readings[number].as_ref() != Some(reading)
            {
                wrong.push((number, *name, reading.clone(), readings[number].clone()));
            }
        }
    }
    let is_hollow = |archive: &[u8]| {
        archive.chunks(512).any(|block| block[156] == b'S' && &block[257..262] == b"ustar")
    };
    let hollow = taken.iter().filter(|(archive, _)| is_hollow(archive)).count();
    let (taken, refused) = (taken.len(), archives.len() - taken.len());
    say(&format!("{taken} taken and compared, {hollow} of them with holes, {refused} refused"));
    assert!(taken >= TAKEN, "only {taken} archives were taken");
    assert!(hollow >= HOLLOW, "only {hollow} archives with holes were taken");
    assert!(refused >= TAKEN, "only {refused} archives were refused");
    assert!(wrong.is_empty(), "{} disagree: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
}
