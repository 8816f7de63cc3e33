//! Which files are as a package manager laid them down: dpkg keeps MD5 of them, apk SHA-1.
//!
//! Both sums are broken against who wants to forge one. Nobody gains by it here: who puts a secret into
//! an image could as well have hidden it.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry};

use md5::{Digest as _, Md5};
use sha1::Sha1;

use super::{HardenError, content, follow::Place, shown};
use crate::{
    store::Store,
    tree::{Content, Kind, NodeId, Tree},
};

/// A list of a package's files is not longer than this.
const LIST: u64 = 16 << 20;

/// Those of these files.
pub(super) fn among(
    tree: &Tree,
    store: &Store,
    files: &BTreeMap<NodeId, Vec<Vec<u8>>>,
) -> Result<BTreeSet<NodeId>, HardenError> {
    let mut asked: HashMap<Vec<u8>, Vec<Question>> = HashMap::new();
    for (id, paths) in files {
        for path in paths {
            let (path, laid_down) = match source(path) {
                Some(source) => (source.clone(), Place::root(tree).at(&source).node()),
                None => (path.clone(), Some(*id)),
            };
            let Some(laid_down) = laid_down else { continue };
            let question = Question { file: *id, laid_down };
            // Packages may name a file as it was before `/lib` and its like went below `/usr`.
            if let Some(short) = path.strip_prefix(b"usr/") {
                asked.entry(short.to_vec()).or_default().push(question);
            }
            asked.entry(path).or_default().push(question);
        }
    }
    let mut packaged = BTreeSet::new();
    if asked.is_empty() {
        return Ok(packaged);
    }
    let mut sums = Sums::default();
    for (path, list) in lists(tree) {
        let text = read(store, list, &path)?;
        let claims: Box<dyn Iterator<Item = Claim>> =
            if path.ends_with(b".md5sums") { Box::new(dpkg(&text)) } else { Box::new(apk(&text)) };
        for Claim { path, sum } in claims {
            for Question { file, laid_down } in asked.get(&path).into_iter().flatten() {
                let Kind::File(content) = &tree.node(*laid_down).kind else { continue };
                if content.size <= content::LIMIT {
                    let (md5, sha1) = sums.of(store, *laid_down, content, &path)?;
                    if sum == *md5 || sum == *sha1 {
                        packaged.insert(*file);
                    }
                }
            }
        }
    }
    Ok(packaged)
}

#[derive(Clone, Copy)]
struct Question {
    file: NodeId,
    /// What the package would have laid down: the file itself, or what it was made of.
    laid_down: NodeId,
}

/// Of what Python compiles when a package is installed: `a/__pycache__/b.cpython-311.pyc` is of `a/b.py`.
fn source(path: &[u8]) -> Option<Vec<u8>> {
    let cut = path.iter().rposition(|byte| *byte == b'/')?;
    let directory = path[..cut].strip_suffix(b"__pycache__")?;
    let name = path[cut + 1..].strip_suffix(b".pyc")?;
    let stem = name.split(|byte| *byte == b'.').next()?;
    Some([directory, stem, b".py"].concat())
}

/// `status.d` is where images without dpkg itself keep the lists.
fn lists(tree: &Tree) -> Vec<(Vec<u8>, &Content)> {
    let mut lists = Vec::new();
    for directory in ["var/lib/dpkg/info", "var/lib/dpkg/status.d"] {
        let node = Place::root(tree).at(directory.as_bytes()).node();
        let Some(Kind::Directory(children)) = node.map(|id| &tree.node(id).kind) else { continue };
        for (name, child) in children.iter().filter(|(name, _)| name.ends_with(b".md5sums")) {
            let path = [directory.as_bytes(), b"/", name].concat();
            lists.push((path, *child));
        }
    }
    for path in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        let node = Place::root(tree).at(path.as_bytes()).node();
        lists.extend(node.map(|id| (path.as_bytes().to_vec(), id)));
    }
    let content = |(path, id)| match &tree.node(id).kind {
        Kind::File(content) if content.size <= LIST => Some((path, content)),
        _ => None,
    };
    lists.into_iter().filter_map(content).collect()
}

/// What a list says of a file.
struct Claim {
    path: Vec<u8>,
    /// MD5 or SHA-1, which differ in length.
    sum: Vec<u8>,
}

/// Of files, taken once however often lists name them.
#[derive(Default)]
struct Sums(HashMap<NodeId, (Vec<u8>, Vec<u8>)>);

impl Sums {
    fn of(
        &mut self,
        store: &Store,
        file: NodeId,
        content: &Content,
        path: &[u8],
    ) -> Result<&(Vec<u8>, Vec<u8>), HardenError> {
        match self.0.entry(file) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let bytes = read(store, content, path)?;
                let sums = (Md5::digest(&bytes).to_vec(), Sha1::digest(&bytes).to_vec());
                Ok(unknown.insert(sums))
            }
        }
    }
}

/// `SUM  PATH` a line.
fn dpkg(text: &[u8]) -> impl Iterator<Item = Claim> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let (digits, path) = line.split_at_checked(32)?;
        let path = path.strip_prefix(b"  ")?.to_vec();
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let sum = digits.chunks(2).map(byte).collect::<Option<_>>()?;
        Some(Claim { path, sum })
    })
}

/// `F:` and a directory, then for each of its files `R:` and its name, `Z:Q1` and its sum in base64.
fn apk(text: &[u8]) -> impl Iterator<Item = Claim> {
    let (mut directory, mut file) = (Vec::new(), None);
    text.split(|byte| *byte == b'\n').filter_map(move |line| {
        let (key, value) = line.split_at_checked(2)?;
        match key {
            b"F:" => directory = value.to_vec(),
            b"R:" if directory.is_empty() => file = Some(value.to_vec()),
            b"R:" => file = Some([&directory, b"/".as_slice(), value].concat()),
            b"Z:" => {
                let sum = value.strip_prefix(b"Q1").and_then(decoded)?;
                return Some(Claim { path: file.take()?, sum });
            }
            _ => {}
        }
        None
    })
}

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let engine = &base64::engine::general_purpose::STANDARD;
    base64::Engine::decode(engine, text).ok()
}

fn read(store: &Store, content: &Content, path: &[u8]) -> Result<Vec<u8>, HardenError> {
    let error = |source| HardenError::Read { path: shown(path), source };
    content::read(store, content).map_err(error)
}
