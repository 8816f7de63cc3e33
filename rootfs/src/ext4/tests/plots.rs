//! Trees that take much of a file system.

use std::collections::BTreeMap;

use super::{
    Kind, Metadata, Node, Time,
    plot::{Plot, metadata},
};

/// An attribute's name and value.
type Pair<'a> = (&'a str, &'a [u8]);

fn attributes(pairs: &[Pair<'_>]) -> Metadata {
    let pairs = pairs.iter().map(|(name, value)| (name.as_bytes().into(), (*value).into()));
    Metadata { attributes: pairs.collect(), ..metadata(0o755) }
}

/// One of everything that a file system can hold.
pub(super) fn everything() -> Plot {
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
    let kind = Kind::Directory(BTreeMap::new());
    plot.node("attributes/directory", Node { metadata: attributes(&lists), kind });
}

/// From the first second to the last.
pub(super) fn times() -> Plot {
    let mut plot = Plot::new();
    for seconds in [i64::from(i32::MIN), -1, 0, 0x8000_0000, 0x1_0000_0000, 0x3_7fff_ffff] {
        let id = plot.file(&format!("{seconds}"), b"");
        plot.tree.node_mut(id).metadata.modified = Time { seconds, nanoseconds: 999_999_999 };
    }
    plot
}

/// A file with attributes of so many bytes.
pub(super) fn attributed(pairs: &[(&str, usize)]) -> Plot {
    let mut plot = Plot::new();
    let id = plot.file("file", b"");
    let pair = |(name, length): &(&str, usize)| (name.as_bytes().into(), vec![7; *length].into());
    plot.tree.node_mut(id).metadata.attributes = pairs.iter().map(pair).collect();
    plot
}

/// A directory of so many names, all of one file that more names would be too many for.
pub(super) fn crowd(
    plot: &mut Plot,
    directory: &str,
    count: usize,
    name: impl Fn(usize) -> String,
) {
    let mut file = None;
    for index in 0..count {
        let path = format!("{directory}/{}", name(index));
        match file.filter(|_| !index.is_multiple_of(50_000)) {
            Some(id) => plot.name(&path, id),
            None => file = Some(plot.file(&path, b"of many names")),
        }
    }
}

/// Names that fill blocks to the last byte.
pub(super) fn full_blocks() -> Plot {
    let mut plot = Plot::new();
    // A name of four bytes takes twelve: 338 and the dots are one block to the byte.
    for count in [337, 338, 339, 340, 341, 1000] {
        crowd(&mut plot, &format!("four/{count}"), count, |index| format!("{index:04}"));
    }
    for count in [14, 15, 16, 17, 100] {
        crowd(&mut plot, &format!("long/{count}"), count, |index| format!("{index:0255}"));
    }
    crowd(&mut plot, "every length", 255, |index| "x".repeat(index + 1));
    plot
}

/// A directory that takes an index of two levels.
pub(super) fn two_levels() -> Plot {
    let mut plot = Plot::new();
    // 15 names in a block: 8,000 take more blocks than one level of an index reaches.
    crowd(&mut plot, "many", 12_000, |index| format!("{index:0255}"));
    plot
}

/// Two names of the same hash under [`super::image::options`]' seed, and with how many others around them
/// they come to stand in two blocks.
const TWINS: [(&str, &str, usize); 6] = [
    ("5953", "10553", 354),
    ("23852", "42041", 454),
    ("54369", "55652", 548),
    ("16401", "86821", 509),
    ("40567", "106055", 917),
    ("94315", "112557", 741),
];

/// Of each pair, all names of a directory that puts it into two blocks.
pub(super) fn twins() -> Vec<Vec<String>> {
    let directory = |&(one, other, count): &(&str, &str, usize)| {
        let names = (0..count).map(|index| format!("{index:06}"));
        names.chain([one.to_owned(), other.to_owned()]).collect()
    };
    TWINS.iter().map(directory).collect()
}

pub(super) fn parted_twins() -> Plot {
    let mut plot = Plot::new();
    for (which, names) in twins().iter().enumerate() {
        for name in names {
            plot.kind(&format!("{which}/{name}"), Kind::Fifo);
        }
    }
    plot
}

/// A directory with one link more than can be counted.
pub(super) fn uncounted() -> Plot {
    let mut plot = Plot::new();
    for index in 0..64_999 {
        plot.directory(&format!("many/{index}"));
    }
    plot
}
