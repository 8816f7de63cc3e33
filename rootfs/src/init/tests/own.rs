//! The programs of this host: what runs here would run in an image of it.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::Path,
};

use kiln_init::{Database, Identity};

use crate::{
    init::command::{CommandError, Judge},
    store::{Piece, Store},
    tree::{Content, Kind, Metadata, Node, Tree},
};

/// Headers and interpreters stand within.
const START_BYTES: u64 = 16 * 1024;

struct Copy {
    tree: Tree,
    store: Store,
}

impl Copy {
    /// What a path leads to, and all links on the way, with the beginnings of files.
    fn add(&mut self, path: &Path) {
        let mut here = Tree::ROOT;
        let mut on_disk = Path::new("/").to_owned();
        for name in path.strip_prefix("/").unwrap() {
            on_disk.push(name);
            let name = name.as_bytes();
            here = match self.tree.child(here, name) {
                Some(child) => child,
                None => {
                    let Some(node) = self.node(&on_disk) else { return };
                    let child = self.tree.add(node);
                    self.tree.link(here, name.into(), child);
                    child
                }
            };
            if let Kind::Symlink(target) = &self.tree.node(here).kind {
                let target = Path::new(std::ffi::OsStr::from_bytes(target)).to_owned();
                let rest = path.strip_prefix(&on_disk).unwrap();
                let led = on_disk.parent().unwrap().join(target).join(rest);
                // Without dots; a link that goes up stands for itself here, as no directory of this
                // host's is a link that another goes up from.
                let mut plain = Path::new("/").to_owned();
                for part in led.components().skip(1) {
                    match part {
                        std::path::Component::ParentDir => drop(plain.pop()),
                        other => plain.push(other),
                    }
                }
                return self.add(&plain);
            }
        }
    }

    fn node(&mut self, path: &Path) -> Option<Node> {
        let found = fs::symlink_metadata(path).ok()?;
        let kind = if found.is_dir() {
            Kind::Directory(std::collections::BTreeMap::new())
        } else if found.is_symlink() {
            Kind::Symlink(fs::read_link(path).ok()?.as_os_str().as_bytes().into())
        } else {
            let mut start = Vec::new();
            File::open(path).ok()?.take(START_BYTES).read_to_end(&mut start).ok()?;
            let length = start.len() as u64;
            let store = self.store.add_bytes(start);
            let pieces = vec![Piece { at: 0, length, store, offset: 0 }];
            Kind::File(Content { size: found.len(), pieces })
        };
        let mode = u16::try_from(found.mode() & 0o7777).unwrap();
        let (user, group) = (found.uid(), found.gid());
        Some(Node { metadata: Metadata { mode, user, group, ..Metadata::default() }, kind })
    }
}

/// A program that needs one which isn't there, here either.
fn is_missing_here(error: &CommandError) -> bool {
    match error {
        CommandError::Interpreter { source, .. } => is_missing_here(source),
        CommandError::Missing(path) => !Path::new(path).exists(),
        _ => false,
    }
}

#[test]
fn every_program_of_this_host_would_run() {
    let mut copy = Copy { tree: Tree::new(Metadata::default()), store: Store::default() };
    let mut programs = Vec::new();
    for entry in fs::read_dir("/usr/bin").unwrap() {
        let path = entry.unwrap().path();
        if fs::metadata(&path).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0) {
            copy.add(&path);
            programs.push(path.to_str().unwrap().to_owned());
        }
    }
    for other in [
        "/bin",
        "/bin/bash",
        "/bin/sh",
        "/lib/ld-linux-aarch64.so.1",
        "/lib/ld-linux.so.2",
        "/lib64/ld-linux-x86-64.so.2",
    ] {
        copy.add(Path::new(other));
    }
    let root = Identity::find("", &Database::default()).unwrap();
    let judge = Judge {
        tree: &copy.tree,
        store: &copy.store,
        identity: &root,
        architecture: if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        directory: "/",
    };
    let refused = programs.iter().filter_map(|path| Some((path, judge.check(path).err()?)));
    let wrongly: Vec<_> = refused.filter(|(_, error)| !is_missing_here(error)).collect();
    assert!(wrongly.is_empty(), "{wrongly:?}");
    assert!(programs.len() > 100, "only {} programs", programs.len());
}
