//! Paths in a tree against the kernel's own reading of the same tree (`RESOLVE_IN_ROOT`).

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::Path};

use proptest::prelude::*;
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, fstat, openat2},
    io::Errno,
};

use crate::{
    init::place::{self, Lost},
    tree::{Content, Kind, Metadata, Node, NodeId, Tree},
};

#[derive(Clone, Debug)]
enum Entry {
    Directory(Vec<(usize, Entry)>),
    File,
    Link(String),
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![6 => prop::sample::select(&NAMES[..]), 2 => Just(".."), 1 => Just(".")];
    let parts = prop::collection::vec(part, 0..6).prop_map(|parts| parts.join("/"));
    (any::<bool>(), parts)
        .prop_map(|(rooted, parts)| if rooted { format!("/{parts}") } else { parts })
}

fn entry() -> impl Strategy<Value = Entry> {
    let link = path().prop_filter("a link says something", |target| !target.is_empty());
    let leaf = prop_oneof![Just(Entry::File), link.prop_map(Entry::Link)];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop::collection::vec((0..NAMES.len(), inner), 0..4).prop_map(Entry::Directory)
    })
}

/// Both at once; what a node is on the disk is told by its inode's number.
fn make(
    tree: &mut Tree,
    here: NodeId,
    disk: &Path,
    entries: &[(usize, Entry)],
    nodes: &mut BTreeMap<u64, NodeId>,
) {
    for (name, entry) in entries {
        let name = NAMES[*name];
        if tree.child(here, name.as_bytes()).is_some() {
            continue;
        }
        let path = disk.join(name);
        let kind = match entry {
            Entry::Directory(_) => {
                fs::create_dir(&path).unwrap();
                Kind::Directory(BTreeMap::new())
            }
            Entry::File => {
                fs::write(&path, "").unwrap();
                Kind::File(Content::default())
            }
            Entry::Link(target) => {
                symlink(target, &path).unwrap();
                Kind::Symlink(target.as_bytes().into())
            }
        };
        let node = tree.add(Node { metadata: Metadata::default(), kind });
        tree.link(here, name.as_bytes().into(), node);
        nodes.insert(inode(&path), node);
        if let Entry::Directory(below) = entry {
            make(tree, node, &path, below, nodes);
        }
    }
}

fn inode(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&fs::symlink_metadata(path).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn paths_lead_where_the_kernel_says(
        entries in prop::collection::vec((0..NAMES.len(), entry()), 0..5),
        paths in prop::collection::vec(path(), 8),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut tree = Tree::new(Metadata::default());
        let mut nodes = BTreeMap::from([(inode(directory.path()), Tree::ROOT)]);
        make(&mut tree, Tree::ROOT, directory.path(), &entries, &mut nodes);
        let root = fs::File::open(directory.path()).unwrap();
        for path in paths.iter().filter(|path| !path.is_empty()) {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let opened = openat2(&root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT);
            let expected = match opened {
                Ok(found) => Ok(nodes[&fstat(found).unwrap().st_ino]),
                Err(Errno::NOENT) => Err(Lost::Missing),
                Err(Errno::NOTDIR) => Err(Lost::NotDirectory),
                Err(Errno::LOOP) => Err(Lost::Loop),
                Err(errno) => panic!("{path}: {errno}"),
            };
            prop_assert_eq!(place::find(&tree, path), expected, "{}", path);
        }
    }
}
