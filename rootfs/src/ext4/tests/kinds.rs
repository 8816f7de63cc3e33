//! One of everything.

use sha2::{Digest as _, Sha256};

use crate::tree::{Kind, Metadata, Node, Time};

use super::{
    image::{Image, options},
    kernel,
    plot::{Plot, metadata},
    second_reader,
};

/// An attribute's name and value.
type Pair<'a> = (&'a str, &'a [u8]);

fn attributes(pairs: &[Pair<'_>]) -> Metadata {
    let pairs = pairs.iter().map(|(name, value)| (name.as_bytes().into(), (*value).into()));
    Metadata { attributes: pairs.collect(), ..metadata(0o755) }
}

/// One of everything that a file system can hold.
fn everything() -> Plot {
    let mut plot = Plot::new();
    plot.file("empty", b"");
    plot.file("etc/hostname", b"kiln\n");
    plot.file("etc/a whole block", &[7; 4096]);
    plot.file("etc/a block and a byte", &[8; 4097]);
    plot.file("zeros", &[0; 10_000]);
    plot.sparse("hole/all", 1 << 20, &[]);
    plot.sparse("hole/front", 100_000, &[(99_000, &[1; 1000])]);
    plot.sparse("hole/back", 100_000, &[(0, &[2; 1000])]);
    let pieces: Vec<(u64, &[u8])> = (0..12).map(|at| (at * 8192 + 5, &b"piece"[..])).collect();
    plot.sparse("hole/many", 12 * 8192, &pieces);
    plot.sparse("hole/5 GiB", 5 << 30, &[(0, b"front"), ((5 << 30) - 4, b"back")]);
    for length in [1, 59, 60, 61, 4095] {
        let target: Vec<u8> = b"../".iter().copied().cycle().take(length).collect();
        plot.kind(&format!("links/{length}"), Kind::Symlink(target.into()));
    }
    for (major, minor) in [(1, 3), (255, 255), (256, 0), (0, 256), (4095, (1 << 20) - 1)] {
        plot.kind(&format!("dev/c{major}.{minor}"), Kind::CharacterDevice { major, minor });
        plot.kind(&format!("dev/b{major}.{minor}"), Kind::BlockDevice { major, minor });
    }
    plot.kind("run/fifo", Kind::Fifo);
    let shared = plot.file("usr/shared", b"of three names");
    plot.name("usr/again", shared);
    plot.name("elsewhere/once more", shared);
    let device = plot.kind("dev/null", Kind::CharacterDevice { major: 1, minor: 3 });
    plot.name("dev/null again", device);
    plot.directory("lost+found/kept");
    for mode in [0, 0o7777, 0o4755, 0o2755, 0o1777] {
        let id = plot.file(&format!("modes/{mode:o}"), b"");
        plot.tree.node_mut(id).metadata.mode = mode;
    }
    let id = plot.directory("owners");
    let owned = &mut plot.tree.node_mut(id).metadata;
    (owned.user, owned.group) = (0x1234_5678, 0xfedc_ba98);
    plant_attributes(&mut plot);
    let deep = ["d"; 127].join("/");
    plot.file(&format!("{deep}/bottom"), b"far down");
    plot.file(&"n".repeat(255), b"a long name");
    plot.file("line\nfeed", b"");
    plot
}

fn plant_attributes(plot: &mut Plot) {
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let list: Vec<u8> = [
        &[2, 0, 0, 0][..],
        &[1, 0, 7, 0, 255, 255, 255, 255],
        &[2, 0, 5, 0, 232, 3, 0, 0],
        &[4, 0, 5, 0, 255, 255, 255, 255],
        &[8, 0, 4, 0, 57, 48, 0, 0],
        &[16, 0, 5, 0, 255, 255, 255, 255],
        &[32, 0, 5, 0, 255, 255, 255, 255],
    ]
    .concat();
    let large = [9; 3000];
    let files: [&[Pair<'_>]; 6] = [
        &[("user.one", b"1")],
        &[("user.empty", b"")],
        &[("security.capability", &capability)],
        &[("system.posix_acl_access", &list)],
        &[("user.large", &large)],
        &[
            ("user.zebra", b"striped"),
            ("user.a", &[1; 60]),
            ("trusted.overlay.opaque", b"y"),
            ("security.capability", &capability),
            ("user.b", &[2; 100]),
            ("user.odd", b"odd"),
        ],
    ];
    for (name, pairs) in files.into_iter().enumerate() {
        let id = plot.file(&format!("attributes/{name}"), b"with attributes");
        plot.tree.node_mut(id).metadata.attributes = attributes(pairs).attributes;
    }
    let lists: [Pair<'_>; 2] =
        [("system.posix_acl_access", &list), ("system.posix_acl_default", &list)];
    let kind = Kind::Directory(std::collections::BTreeMap::new());
    plot.node("attributes/directory", Node { metadata: attributes(&lists), kind });
}

#[test]
fn times_reach_from_1901_to_2446() {
    let mut plot = Plot::new();
    for seconds in [i64::from(i32::MIN), -1, 0, 0x8000_0000, 0x1_0000_0000, 0x3_7fff_ffff] {
        let id = plot.file(&format!("{seconds}"), b"");
        plot.tree.node_mut(id).metadata.modified = Time { seconds, nanoseconds: 999_999_999 };
    }
    let image = Image::of(&plot, &options());
    kernel::check(&image, &plot);
    let told = image.ask("stat /2147483648");
    assert!(told.contains("mtime: 0x80000000:ee6b27fd -- Tue Jan 19 03:14:08 2038"), "{told}");
}

#[test]
fn everything_is_read_back() {
    let plot = everything();
    let image = Image::of(&plot, &options());
    second_reader::check(&image, &plot);
}

#[test]
fn everything_is_read_back_by_the_kernel() {
    let plot = everything();
    kernel::check(&Image::of(&plot, &options()), &plot);
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let one = Image::of(&everything(), &options()).bytes();
    let other = Image::of(&everything(), &options()).bytes();
    assert!(one == other);
    // And so on every machine: who changes what is written changes what everyone gets.
    let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
    let digest = Sha256::digest(&one).iter().fold(String::new(), hex);
    assert_eq!(digest, "9f007d7a874f824efad358ab869e66d2a0361ac7eb163d40a37301af803314e3");
}
