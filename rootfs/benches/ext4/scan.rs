//! A directory of this machine as a tree, with the bytes of its files one behind the other in a spool.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::Path,
};

use kiln_rootfs::{Content, Kind, Metadata, Node, NodeId, Piece, Store, StoreId, Time, Tree};

pub(crate) fn scan(directory: &Path, spool: &Path) -> io::Result<(Tree, Store)> {
    let mut store = Store::default();
    let mut scan = Scan {
        tree: Tree::new(metadata(&fs::metadata(directory)?)),
        spool: File::create_new(spool)?,
        store: store.add_file(File::open(spool)?),
        end: 0,
        names: HashMap::new(),
    };
    scan.directory(directory, Tree::ROOT)?;
    Ok((scan.tree, store))
}

struct Scan {
    tree: Tree,
    spool: File,
    store: StoreId,
    end: u64,
    /// Files of several names, by device and number.
    names: HashMap<(u64, u64), NodeId>,
}

impl Scan {
    fn directory(&mut self, path: &Path, id: NodeId) -> io::Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let read = entry.metadata()?;
            let known = self.names.get(&(read.dev(), read.ino())).copied();
            let child = match known {
                Some(child) => child,
                None => match self.kind(&entry.path(), &read)? {
                    Some(kind) => self.tree.add(Node { metadata: metadata(&read), kind }),
                    None => continue,
                },
            };
            self.tree.link(id, entry.file_name().as_bytes().into(), child);
            if read.is_dir() {
                self.directory(&entry.path(), child)?;
            } else if read.nlink() > 1 {
                self.names.insert((read.dev(), read.ino()), child);
            }
        }
        Ok(())
    }

    /// Nothing for what this does not know.
    fn kind(&mut self, path: &Path, read: &fs::Metadata) -> io::Result<Option<Kind>> {
        if read.is_dir() {
            Ok(Some(Kind::Directory(BTreeMap::new())))
        } else if read.is_symlink() {
            Ok(Some(Kind::Symlink(fs::read_link(path)?.as_os_str().as_bytes().into())))
        } else if read.is_file() {
            let length = io::copy(&mut File::open(path)?, &mut self.spool)?;
            let piece = Piece { at: 0, length, store: self.store, offset: self.end };
            self.end += length;
            Ok(Some(Kind::File(Content { size: length, pieces: vec![piece] })))
        } else {
            Ok(None)
        }
    }
}

fn metadata(read: &fs::Metadata) -> Metadata {
    Metadata {
        mode: u16::try_from(read.mode() & 0o7777).unwrap_or(0),
        user: read.uid(),
        group: read.gid(),
        modified: Time {
            seconds: read.mtime(),
            nanoseconds: u32::try_from(read.mtime_nsec()).unwrap_or(0),
        },
        attributes: BTreeMap::new(),
    }
}
