//! Trees that nobody would think of.

use proptest::prelude::*;

use super::{Kind, NodeId, Time, Tree, plot::Plot};

#[derive(Clone, Debug)]
enum Planted {
    File(Vec<(u64, Vec<u8>)>, u64),
    Symlink(Vec<u8>),
    Device(u32, u32),
    Fifo,
    Directory,
    /// Another name of what was planted some time before.
    Again(usize),
}

fn planted() -> impl Strategy<Value = Planted> {
    let bytes = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => proptest::collection::vec(any::<u8>(), 4000..9000),
        1 => (0..20_000_usize).prop_map(|length| vec![0; length]),
    ];
    let piece = (0..40_000_u64, bytes);
    prop_oneof![
        4 => (proptest::collection::vec(piece, 0..8), 0..50_000_u64)
            .prop_map(|(pieces, more)| Planted::File(pieces, more)),
        1 => proptest::collection::vec(1..=255_u8, 1..100).prop_map(Planted::Symlink),
        1 => (0..4096_u32, 0..1_u32 << 20).prop_map(|(major, minor)| Planted::Device(major, minor)),
        1 => Just(Planted::Fifo),
        2 => Just(Planted::Directory),
        2 => any::<usize>().prop_map(Planted::Again),
    ]
}

#[derive(Clone, Debug)]
struct Item {
    path: String,
    planted: Planted,
    mode: u16,
    owner: (u32, u32),
    modified: (i64, u32),
    attributes: Vec<(String, Vec<u8>)>,
}

fn item() -> impl Strategy<Value = Item> {
    let name = prop_oneof![8 => "[a-f]{1,2}", 1 => "[a-z]{200,255}", 1 => "\\PC{1,20}"];
    let name = name.prop_filter("no name", |name| {
        !name.contains(['/', '\0']) && name != "." && name != ".." && name.len() <= 255
    });
    let path = proptest::collection::vec(name, 1..6).prop_map(|names| names.join("/"));
    let attribute = ("user\\.[a-z]{1,40}", proptest::collection::vec(any::<u8>(), 0..300));
    // The second reader knows no time with the highest bit of 32 set.
    let seconds = (0..4_i64, 0..=0x7fff_ffff_i64).prop_map(|(epoch, low)| epoch << 32 | low);
    (
        path,
        planted(),
        0..=0o7777_u16,
        any::<(u32, u32)>(),
        (seconds, 0..1_000_000_000_u32),
        proptest::collection::vec(attribute, 0..4),
    )
        .prop_map(|(path, planted, mode, owner, modified, attributes)| Item {
            path,
            planted,
            mode,
            owner,
            modified,
            attributes,
        })
}

pub(super) fn plots() -> impl Strategy<Value = Plot> {
    proptest::collection::vec(item(), 0..60).prop_map(|items| plant(&items))
}

fn plant(items: &[Item]) -> Plot {
    let mut plot = Plot::new();
    let mut before: Vec<NodeId> = Vec::new();
    for item in items {
        let (parent, _) = item.path.rsplit_once('/').unwrap_or_default();
        if !is_free(&plot, &item.path) {
            continue;
        }
        plot.directory(parent);
        let id = match &item.planted {
            Planted::File(pieces, more) => sparse(&mut plot, &item.path, pieces, *more),
            Planted::Symlink(target) => {
                let target: Vec<u8> =
                    target.split(|byte| *byte == b'/').collect::<Vec<_>>().concat();
                let target = if target.is_empty() { b"x".to_vec() } else { target };
                plot.kind(&item.path, Kind::Symlink(target.into()))
            }
            Planted::Device(major, minor) => {
                plot.kind(&item.path, Kind::BlockDevice { major: *major, minor: *minor })
            }
            Planted::Fifo => plot.kind(&item.path, Kind::Fifo),
            Planted::Directory => plot.directory(&item.path),
            Planted::Again(which) if !before.is_empty() => {
                plot.name(&item.path, before[which % before.len()]);
                continue;
            }
            Planted::Again(_) => continue,
        };
        let node = plot.tree.node_mut(id);
        let (seconds, nanoseconds) = item.modified;
        node.metadata.mode = item.mode;
        (node.metadata.user, node.metadata.group) = item.owner;
        node.metadata.modified = Time { seconds, nanoseconds };
        if matches!(node.kind, Kind::File(_) | Kind::Directory(_)) {
            let pairs = item.attributes.iter();
            let pair = |(name, value): &(String, Vec<u8>)| {
                (name.as_bytes().into(), value.as_slice().into())
            };
            node.metadata.attributes = pairs.map(pair).collect();
        }
        if !matches!(node.kind, Kind::Directory(_)) {
            before.push(id);
        }
    }
    plot
}

/// Whether nothing has that path, and nothing but directories leads there.
fn is_free(plot: &Plot, path: &str) -> bool {
    let mut directory = Tree::ROOT;
    for name in path.split('/') {
        if !matches!(plot.tree.node(directory).kind, Kind::Directory(_)) {
            return false;
        }
        match plot.tree.child(directory, name.as_bytes()) {
            Some(child) => directory = child,
            None => return true,
        }
    }
    false
}

/// Pieces one behind the other, with their numbers as gaps.
fn sparse(plot: &mut Plot, path: &str, pieces: &[(u64, Vec<u8>)], more: u64) -> NodeId {
    let mut at = 0;
    let placed: Vec<(u64, &[u8])> = pieces
        .iter()
        .map(|(gap, bytes)| {
            let start = at + gap;
            at = start + bytes.len() as u64;
            (start, &bytes[..])
        })
        .collect();
    plot.sparse(path, at + more, &placed)
}
