//! The tree as a reader sees it that shares nothing with the writer.

use ext4_view::{Ext4, FileType};
use proptest::prelude::*;

use crate::{
    ext4::{Free, Options, Size},
    tree::{Kind, NodeId, Tree},
};

use super::{
    image::{Image, options},
    plot::Plot,
    random,
};

/// Every path, with type, mode, owner, time and bytes or target.
pub(super) fn check(image: &Image, plot: &Plot) {
    let ext4 = Ext4::load_from_path(image.path()).unwrap();
    for (path, id) in plot.tree.walk() {
        let path = [b"/", &path[..]].concat();
        check_one(&ext4, &path, plot, id);
    }
}

fn check_one(ext4: &Ext4, path: &[u8], plot: &Plot, id: NodeId) {
    let node = plot.tree.node(id);
    let view = ext4_view::PathBuf::try_from(path).unwrap();
    let read = ext4.symlink_metadata(view.as_path()).unwrap();
    let name = String::from_utf8_lossy(path);
    let metadata = &node.metadata;
    assert_eq!(read.mode() & 0o7777, metadata.mode, "{name}");
    assert_eq!((read.uid(), read.gid()), (metadata.user, metadata.group), "{name}");
    let modified = (read.modified().seconds(), read.modified().nanoseconds());
    assert_eq!(modified, (metadata.modified.seconds, metadata.modified.nanoseconds), "{name}");
    let file_type = match &node.kind {
        Kind::Directory(children) => {
            let mut names: Vec<Vec<u8>> = ext4
                .read_dir(view.as_path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().as_ref().to_vec())
                .filter(|name| !matches!(&name[..], b"." | b".."))
                .collect();
            names.sort();
            let mut expected: Vec<_> = children.keys().map(|name| name.to_vec()).collect();
            if id == Tree::ROOT && !expected.contains(&b"lost+found".to_vec()) {
                expected.push(b"lost+found".to_vec());
                expected.sort();
            }
            assert_eq!(names, expected, "{name}");
            FileType::Directory
        }
        Kind::File(content) => {
            assert_eq!(read.len(), content.size, "{name}");
            // Larger ones are read elsewhere, piece by piece.
            if content.size < 64 << 20 {
                let mut expected = vec![0; usize::try_from(content.size).unwrap()];
                for piece in &content.pieces {
                    let at = usize::try_from(piece.at).unwrap();
                    let length = usize::try_from(piece.length).unwrap();
                    let place = &mut expected[at..at + length];
                    plot.store.read(piece.store, piece.offset, place).unwrap();
                }
                assert!(ext4.read(view.as_path()).unwrap() == expected, "{name}");
            }
            FileType::Regular
        }
        Kind::Symlink(target) => {
            let read = ext4.read_link(view.as_path()).unwrap();
            assert_eq!(read.as_ref() as &[u8], &**target, "{name}");
            FileType::Symlink
        }
        Kind::CharacterDevice { .. } => FileType::CharacterDevice,
        Kind::BlockDevice { .. } => FileType::BlockDevice,
        Kind::Fifo => FileType::Fifo,
    };
    assert_eq!(read.file_type(), file_type, "{name}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_read_back(
        plot in random::plots(),
        free in 0..20_u64 << 20,
        uuid: [u8; 16],
        hash_seed: [u8; 16],
    ) {
        let size = Size::Fitted(Free::Bytes(free));
        let options = Options { uuid, hash_seed, size, ..options() };
        check(&Image::of(&plot, &options), &plot);
    }
}
