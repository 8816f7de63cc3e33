//! A tree as a tar: the same tree gives the same bytes.
//!
//! The POSIX format: a header of 512 bytes for each name, and what does not fit there in a PAX header
//! before it. Names go in the order of the tree's walk, without a leading `/`; the root is `./`. The
//! first name of a file carries its bytes, every later one is a hard link to it.

mod body;
mod header;
mod records;
mod regions;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use self::{body::Body, header::Header, records::Records};
use crate::{
    store::Store,
    tree::{Content, Kind, NodeId, Tree},
};

const BLOCK: u64 = 512;
const ZEROS: [u8; 512] = [0; 512];
/// Holes are told to the reader in multiples of this; what is left of them becomes zeros.
const HOLE: u64 = 4096;

#[derive(Debug, thiserror::Error)]
pub enum TarError {
    #[error("cannot write the archive")]
    Write(#[from] io::Error),
    #[error("cannot read the bytes of {path}")]
    Read { path: String, source: io::Error },
    #[error("{path}: a tar has no room for the numbers {major}:{minor} of a device")]
    Device { path: String, major: u32, minor: u32 },
    #[error("{path}: its bytes do not fit together: the tree was made wrong")]
    Torn { path: String },
    #[error("{path}: a symbolic link without a target cannot be made by who reads the tar")]
    EmptyLink { path: String },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// With the two blocks of zeros that end it.
    pub bytes: u64,
    pub entries: u64,
}

/// Writes a whole tree. Nothing of it comes from a clock, the host or the order of a hash.
pub fn write(tree: &Tree, store: &Store, out: impl Write) -> Result<Written, TarError> {
    let shared = tree.links().into_iter().filter(|(_, links)| *links > 1);
    let first_names = shared.map(|(id, _)| (id, None)).collect();
    let mut writer = Writer { tree, body: Body::new(store, out), first_names };
    let mut entries = 0;
    let mut walk = tree.walk();
    while let Some((path, id)) = walk.advance() {
        writer.entry(path, id)?;
        entries += 1;
    }
    writer.body.bytes(&ZEROS)?;
    writer.body.bytes(&ZEROS)?;
    Ok(Written { bytes: writer.body.finish()?, entries })
}

struct Writer<'a, W: Write> {
    tree: &'a Tree,
    body: Body<'a, W>,
    /// Of what has several names; none until the first is written.
    first_names: BTreeMap<NodeId, Option<Vec<u8>>>,
}

impl<W: Write> Writer<'_, W> {
    fn entry(&mut self, path: &[u8], id: NodeId) -> Result<(), TarError> {
        let node = self.tree.node(id);
        let mut header = Header::new(&node.metadata);
        let mut records = Records::of(&node.metadata);
        if let Some(Some(first)) = self.first_names.get(&id) {
            header.kind(b'1');
            records.name(&mut header, path);
            records.target(&mut header, first);
            return self.head(header, &records);
        }
        match &node.kind {
            Kind::Directory(_) => {
                header.kind(b'5');
                records.name(&mut header, &directory(path));
                self.head(header, &records)?;
            }
            Kind::File(content) => self.file(header, records, path, content)?,
            other => {
                special(&mut header, &mut records, path, other)?;
                records.name(&mut header, path);
                self.head(header, &records)?;
            }
        }
        if let Some(first) = self.first_names.get_mut(&id) {
            *first = Some(path.to_vec());
        }
        Ok(())
    }

    fn file(
        &mut self,
        mut header: Header,
        mut records: Records,
        path: &[u8],
        content: &Content,
    ) -> Result<(), TarError> {
        header.kind(b'0');
        if !regions::are_sound(content) {
            return Err(TarError::Torn { path: shown(path) });
        }
        let regions = regions::of(content);
        if regions::is_whole(&regions, content.size) {
            records.name(&mut header, path);
            records.size(&mut header, content.size);
            self.head(header, &records)?;
        } else {
            let map = regions::map(&regions, content.size);
            let stored: u64 = regions.iter().map(|region| region.length).sum();
            records.sparse(&mut header, path, content.size);
            records.size(&mut header, map.len() as u64 + stored);
            self.head(header, &records)?;
            self.body.bytes(&map)?;
        }
        for region in regions {
            self.body.region(content, region, path)?;
        }
        self.body.pad()?;
        Ok(())
    }

    fn head(&mut self, header: Header, records: &Records) -> Result<(), TarError> {
        if let Some(pax) = records.encoded() {
            let mut before = Header::before();
            before.size(pax.len() as u64);
            self.body.bytes(&before.finished())?;
            self.body.bytes(&pax)?;
            self.body.pad()?;
        }
        self.body.bytes(&header.finished())?;
        Ok(())
    }
}

fn special(
    header: &mut Header,
    records: &mut Records,
    path: &[u8],
    kind: &Kind,
) -> Result<(), TarError> {
    match kind {
        Kind::Symlink(target) if target.is_empty() => {
            return Err(TarError::EmptyLink { path: shown(path) });
        }
        Kind::Symlink(target) => {
            header.kind(b'2');
            records.target(header, target);
        }
        Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            let character = matches!(kind, Kind::CharacterDevice { .. });
            header.kind(if character { b'3' } else { b'4' });
            if !header.device(*major, *minor) {
                let (major, minor) = (*major, *minor);
                return Err(TarError::Device { path: shown(path), major, minor });
            }
        }
        Kind::Fifo => header.kind(b'6'),
        Kind::Directory(_) | Kind::File(_) => {}
    }
    Ok(())
}

fn directory(path: &[u8]) -> Vec<u8> {
    if path.is_empty() { b"./".to_vec() } else { [path, b"/"].concat() }
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).escape_debug().to_string()
}
