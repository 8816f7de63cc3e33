//! What has to hold of a layer and of an image, whatever is in them. Tests and fuzz targets play it.

use std::{fs::File, io::Write as _, os::unix::fs::FileExt as _, sync::Arc};

use kiln_rootfs::{
    Digest, Extent, Image, Kind, LayerBlob, Limits, Store, Tree, Wanted, apply, read_layers,
};

const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    holes: 1 << 30,
    entries: 500,
    words: 100_000,
    depth: 16,
    windings: 1 << 16,
    ratio: 1000,
    harmless: 1 << 20,
};

/// The first two bytes say where the second layer begins. Whether there was a tree.
pub(crate) fn layers(input: &[u8]) -> bool {
    let Some((&[high, low], rest)) = input.split_first_chunk() else { return false };
    let cut = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
    let (lower, upper) = rest.split_at(cut);
    let tars = if upper.is_empty() { vec![lower] } else { vec![lower, upper] };
    let blobs: Vec<_> = tars.iter().map(|tar| blob(tar)).collect();
    tree(&blobs)
}

/// Of a tar that says of itself what it is.
fn blob(tar: &[u8]) -> LayerBlob {
    let extent = Extent { file: Arc::new(file(tar)), offset: 0, size: tar.len() as u64 };
    LayerBlob { extent, digest: None, diff: Digest::of(tar) }
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a place for the input");
    file.write_all(bytes).expect("a place for the input");
    file
}

fn tree(blobs: &[LayerBlob]) -> bool {
    let mut store = Store::default();
    let read = read_layers(blobs, &LIMITS, &std::env::temp_dir(), &mut store);
    let Ok(read) = read else { return false };
    assert!(read.iter().map(|layer| layer.size).sum::<u64>() <= LIMITS.bytes);
    let entries: usize = read.iter().map(|layer| layer.entries.len()).sum();
    assert!(entries as u64 <= LIMITS.entries);
    let Ok(applied) = apply(read, &LIMITS) else { return false };
    check(&applied.tree, &store);
    true
}

fn check(tree: &Tree, store: &Store) {
    let mut seen = std::collections::BTreeSet::new();
    for (path, id) in tree.walk() {
        let parts: Vec<_> = path.split(|&byte| byte == b'/').collect();
        assert!(path.is_empty() || parts.len() <= LIMITS.depth + 1, "{path:?}");
        for part in parts.into_iter().filter(|_| !path.is_empty()) {
            let is_name = !part.is_empty() && part != b"." && part != b".." && part.len() <= 255;
            assert!(is_name && !part.contains(&0) && !part.starts_with(b".wh."), "{path:?}");
        }
        let node = tree.node(id);
        assert!(node.metadata.mode <= 0o7777);
        match &node.kind {
            Kind::Directory(_) => assert!(seen.insert(id), "two names lead to a directory"),
            Kind::Symlink(target) => assert!(!target.is_empty() && !target.contains(&0)),
            Kind::File(content) => {
                let mut end = 0;
                for piece in &content.pieces {
                    assert!(piece.at >= end && piece.length > 0);
                    end = piece.at + piece.length;
                    let mut bytes = vec![0; usize::try_from(piece.length).expect("within limits")];
                    let read = store.read(piece.store, piece.offset, &mut bytes);
                    read.expect("bytes that the index tells of");
                }
                assert!(end <= content.size);
            }
            _ => {}
        }
    }
}

/// Whether there was an image with all of its layers.
pub(crate) fn image(input: &[u8]) -> bool {
    let mut place = tempfile::NamedTempFile::new().expect("a place for the input");
    place.write_all(input).expect("a place for the input");
    let platform = "linux/amd64".parse().expect("a platform");
    let image = Image::open(place.path(), &Wanted { platform, name: None });
    let Ok(image) = image else { return false };
    assert_eq!(Digest::of(&image.config.raw), image.config.digest);
    for layer in &image.layers {
        // All of it is there.
        let end = layer.extent.offset + layer.extent.size;
        assert!(end <= input.len() as u64);
        if let Some(last) = end.checked_sub(1).filter(|_| layer.extent.size > 0) {
            let read = layer.extent.file.read_exact_at(&mut [0], last);
            read.expect("a byte of the layer");
        }
    }
    tree(&image.layers)
}
