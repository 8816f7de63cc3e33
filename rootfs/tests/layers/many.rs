//! As many layers as docker makes, in every compression, and files of every size.

use kiln_forge::{Dice, Forge};
use kiln_rootfs::{Compression, Limits};

use crate::{
    converted::{layers, layers_with, sizes, wanted},
    layout::Layout,
};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("many::a_hundred_and_twenty_seven_layers", a_hundred_and_twenty_seven_layers),
    ("many::every_compression_leaves_the_same", every_compression_leaves_the_same),
    ("many::streams_in_several_parts_are_one", streams_in_several_parts_are_one),
    ("many::what_a_layer_was_is_told", what_a_layer_was_is_told),
];

fn a_hundred_and_twenty_seven_layers() {
    let all: Vec<_> = (0..127)
        .map(|number: usize| {
            let forge = Forge::default()
                .member(b'0', &format!("of-{number}"), "", 0o644, number.to_string().as_bytes())
                .member(b'0', "last", "", 0o644, number.to_string().as_bytes());
            match number.checked_sub(2) {
                Some(before) if number.is_multiple_of(2) => {
                    forge.member(b'0', &format!(".wh.of-{before}"), "", 0o644, b"").end()
                }
                _ => forge.end(),
            }
        })
        .collect();
    let converted = layers(&all).unwrap();
    let reading = converted.reading();
    // The odd ones, the last even one, and `last`.
    assert_eq!(converted.paths().len(), 63 + 1 + 1);
    assert_eq!(reading.fact("last").kind, reading.fact("of-126").kind);
}

fn every_compression_leaves_the_same() {
    let mut dice = Dice::new(1);
    let forge = (0..200).fold(Forge::default(), |forge, number| {
        let length = [0, 1, 511, 512, 513, 4096, 100_000, 300_000][dice.roll(8)];
        let body: Vec<_> = (0..length).map(|_| u8::try_from(dice.roll(7)).unwrap()).collect();
        forge.member(b'0', &format!("file-{number}"), "", 0o644, &body)
    });
    let all = [forge.end()];
    let [plain, gzip, zstd] = [Compression::Plain, Compression::Gzip, Compression::Zstd]
        .map(|compression| layers_with(&all, compression, &Limits::default()).unwrap());
    assert_eq!(plain.reading(), gzip.reading());
    assert_eq!(plain.reading(), zstd.reading());
}

/// As writers make them that compress in pieces.
fn streams_in_several_parts_are_one() {
    let tar = Forge::default().member(b'0', "file", "", 0o644, &[7; 5000]).end();
    for compression in [Compression::Gzip, Compression::Zstd] {
        let (first, second) = tar.split_at(3000);
        let parts = [first, second, b""].map(|part| crate::layout::pack(part, compression));
        let mut packed = parts.concat();
        if compression == Compression::Zstd {
            // A frame that readers skip, before and behind.
            let skipped = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2];
            packed = [&skipped[..], &packed, &skipped].concat();
        }
        let directory = tempfile::tempdir().unwrap();
        let mut layout = Layout::default();
        layout.packed("latest", "amd64", std::slice::from_ref(&tar), vec![packed]);
        layout.write(directory.path());
        let converted = crate::converted::image(directory.path(), &Limits::default()).unwrap();
        assert_eq!(converted.paths(), ["file"]);
    }
}

fn what_a_layer_was_is_told() {
    let tar = Forge::default().member(b'0', "file", "", 0o644, &[7; 5000]).end();
    let directory = tempfile::tempdir().unwrap();
    Layout::of(&[tar.clone(), tar.clone()], Compression::Zstd).write(directory.path());
    let image = kiln_rootfs::Image::open(directory.path(), &wanted()).unwrap();
    let mut store = kiln_rootfs::Store::default();
    let spool = directory.path();
    let read = kiln_rootfs::read_layers(&image.layers, &Limits::default(), spool, &mut store);
    let read = read.unwrap();
    assert_eq!(sizes(&read), [tar.len() as u64; 2]);
    assert_eq!(read[0].compression, Compression::Zstd);
    assert_eq!(read[0].entries.len(), 1);
    // The spool has no name.
    assert_eq!(std::fs::read_dir(spool).unwrap().count(), 3);
}
