//! What ext4 can hold and what it cannot, to the last one.

use crate::{
    ext4::{AttributeError, Options, Plan, PlanError, inventory::Inventory},
    tree::{Kind, Tree},
};

use super::{
    image::{Image, options},
    plot::Plot,
    plots::{attributed, uncounted},
};

fn refused(plot: &Plot) -> PlanError {
    Plan::of(&plot.tree, &options()).unwrap_err()
}

#[test]
fn a_file_has_65000_names_and_no_more() {
    let mut plot = Plot::new();
    let file = plot.file("names/0", b"of many names");
    for index in 1..65_000 {
        plot.name(&format!("names/{index}"), file);
    }
    let image = Image::of(&plot, &options());
    assert!(image.ask("stat /names/0").contains("Links: 65000"));
    plot.name("names/one more", file);
    assert!(matches!(refused(&plot), PlanError::Links { links: 65_001, .. }));
}

#[test]
fn directories_over_65000_are_not_counted() {
    let mut plot = Plot::new();
    // With its own two links, 65,000 in all.
    for index in 0..64_998 {
        plot.directory(&format!("many/{index}"));
    }
    let links = |plot: &Plot| {
        let inventory = Inventory::of(&plot.tree, &options().hash_seed).unwrap();
        inventory.inodes.iter().map(|inode| inode.links).max()
    };
    assert_eq!(links(&plot), Some(65_000));
    // The root has most now: its own two, that of `many`, and that of `lost+found`.
    let plot = uncounted();
    assert_eq!(links(&plot), Some(4));
    let image = Image::of(&plot, &options());
    assert!(image.ask("stat /many").contains("Links: 1 "));
}

#[test]
fn what_no_ext4_can_hold_is_refused_by_name() {
    let named = |kind: Kind| {
        let mut plot = Plot::new();
        plot.kind("some/odd", kind);
        refused(&plot).to_string()
    };
    for target in [vec![], vec![b'x'; 4096], b"zero\0".to_vec()] {
        let told = named(Kind::Symlink(target.into()));
        assert!(told.starts_with("the symbolic link /some/odd has a target of"), "{told}");
    }
    for (major, minor) in [(4096, 0), (0, 1 << 20)] {
        let told = named(Kind::BlockDevice { major, minor });
        assert!(told.starts_with(&format!("/some/odd is device {major}:{minor}")), "{told}");
    }
    for name in ["n".repeat(256), "..".to_owned(), "zero\0".to_owned()] {
        let mut plot = Plot::new();
        plot.kind(&format!("some/{name}"), Kind::Fifo);
        assert!(matches!(refused(&plot), PlanError::Name { .. }), "{name:?}");
    }
    let mut plot = Plot::new();
    plot.file("lost+found", b"");
    assert!(matches!(refused(&plot), PlanError::LostAndFound));
    let mut plot = Plot::new();
    plot.sparse("huge", 1 << 45, &[]);
    assert!(matches!(refused(&plot), PlanError::Content { .. }));
    let mut plot = Plot::new();
    plot.sparse("disordered", 100, &[(50, b"x"), (0, b"y")]);
    assert!(matches!(refused(&plot), PlanError::Content { .. }));
    let mut plot = Plot::new();
    let directory = plot.directory("one");
    plot.name("other", directory);
    assert!(matches!(refused(&plot), PlanError::DirectoryTwice { .. }));
    plot = Plot::new();
    plot.tree.link(Tree::ROOT, b"itself"[..].into(), Tree::ROOT);
    assert!(matches!(refused(&plot), PlanError::DirectoryTwice { .. }));
    let options = Options { label: "seventeen letters".to_owned(), ..options() };
    assert!(matches!(Plan::of(&Plot::new().tree, &options).unwrap_err(), PlanError::Label(_)));
}

#[test]
fn attributes_share_a_block_to_the_last_byte() {
    // The block keeps 4,060 bytes for entries of 16 and four for a short name, and their values.
    for pairs in [&[("user.a", 4040)][..], &[("user.a", 4040), ("user.b", 68)]] {
        Image::of(&attributed(pairs), &options());
    }
    for (pairs, expected) in [
        (&[("user.a", 4041)][..], AttributeError::Room),
        (&[("user.a", 4040), ("user.b", 69)], AttributeError::Room),
        (&[("system.nfs4_acl", 10)], AttributeError::Name),
        (&[("user.", 10)], AttributeError::Name),
        (&[("other", 10)], AttributeError::Name),
        (&[("system.posix_acl_access", 12)], AttributeError::AccessList),
    ] {
        match refused(&attributed(pairs)) {
            PlanError::Attribute { source, .. } => assert_eq!(source, expected, "{pairs:?}"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn two_hundred_thousand_files() {
    let mut plot = Plot::new();
    for index in 0..200_000 {
        // One in a hundred has bytes: the rest is about names and inodes.
        let bytes: &[u8] = if index % 100 == 0 { b"bytes" } else { b"" };
        plot.file(&format!("{}/{}", index / 500, index % 500), bytes);
    }
    let usage = Image::of(&plot, &options()).usage;
    // With the 400 directories, the ten inodes of the file system's own, the root among them, and `lost+found`.
    assert_eq!(usage.inodes - usage.free_inodes, 200_000 + 400 + 11);
}
