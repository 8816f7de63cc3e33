//! Layers and images that were right once, changed by chance: no panic, and nothing in the tree that no
//! directory may have.

use kiln_forge::{Dice, Forge, sign};
use kiln_rootfs::Compression;

use crate::{
    layout::{Layout, pack},
    play,
    whiteouts::tar,
};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("seeded::seeded_by_the_corpus", seeded_by_the_corpus),
    ("seeded::seeded_layers", seeded_layers),
    ("seeded::seeded_images", seeded_images),
];

const CASES: u64 = 2000;

fn layers() -> Vec<Vec<u8>> {
    let mut first = tar(&["a/", "a/b: text", "l -> a", "d/e/f: x", "h = a/b"]);
    first.truncate(first.len() - 1024);
    let rich = Forge::default()
        .pax(&[("SCHILY.xattr.user.a", "b"), ("mtime", "1.5")])
        .member(b'0', "rich", "", 0o4755, &[1; 700])
        .holes("hollow", &[(512, 512), (4096, 0)], 4096, &[7; 512])
        .device(b'3', "null", 1, 3)
        .end();
    let upper = ["l/.wh.b", "d/.wh..wh..opq", "l/new: text", "n = rich", "d/e/", ".wh.h"];
    vec![[first, rich].concat(), tar(&upper)]
}

/// Mostly so that a header's checksum is right again.
fn change(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(3) {
        let start = dice.roll(bytes.len().div_ceil(512)) * 512;
        let end = (start + 512).min(bytes.len());
        match dice.roll(8) {
            0 => drop(bytes.drain(start..end)),
            1 => {
                let copy = bytes[start..end].to_vec();
                let other = dice.roll(bytes.len().div_ceil(512)) * 512;
                bytes.splice(other..other, copy);
            }
            2 => bytes.truncate(start.max(1024)),
            _ => {
                let at = start + dice.roll(end - start);
                bytes[at] = [0, b'/', b'.', 0xff, b'1', b'5', b'w', 0x80][dice.roll(8)];
                if end - start == 512 && dice.roll(8) > 0 {
                    sign(&mut bytes[start..end]);
                }
            }
        }
    }
}

/// What the fuzz targets start from, and what they found.
fn seeded_by_the_corpus() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let play = |target: &str, play: fn(&[u8]) -> bool| {
        let files = std::fs::read_dir(corpus.join(target)).unwrap();
        let inputs = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        inputs.filter(|input| play(input)).count()
    };
    assert!(play("layers", play::layers) >= 2);
    assert!(play("image", play::image) >= 2);
}

fn seeded_layers() {
    let whole = layers();
    let mut taken = 0;
    for seed in 0..CASES {
        let mut dice = Dice::new(seed);
        let mut changed = whole.clone();
        change(&mut changed[dice.roll(2)], &mut dice);
        let cut = u16::try_from(changed[0].len()).unwrap().to_be_bytes();
        taken += u64::from(play::layers(&[&cut[..], &changed[0], &changed[1]].concat()));
    }
    assert!(taken > CASES / 20 && taken < CASES, "{taken} were taken");
}

fn seeded_images() {
    let mut taken = 0;
    for seed in 0..CASES {
        let mut dice = Dice::new(seed);
        let mut all = layers();
        if dice.roll(2) == 0 {
            change(&mut all[0], &mut dice);
        }
        let compression = [Compression::Plain, Compression::Gzip, Compression::Zstd][dice.roll(3)];
        // With digests that fit what is broken.
        let mut packed: Vec<_> = all.iter().map(|layer| pack(layer, compression)).collect();
        if dice.roll(3) == 0 {
            let at = dice.roll(packed[1].len());
            packed[1][at] ^= 1 << dice.roll(8);
        }
        let mut layout = Layout::default();
        layout.packed("latest", "amd64", &all, packed);
        let forge = layout.files().iter().fold(Forge::default(), |forge, (name, bytes)| {
            forge.member(b'0', name, "", 0o644, bytes)
        });
        let mut archive = forge.end();
        if dice.roll(3) == 0 {
            change(&mut archive, &mut dice);
        }
        taken += u64::from(play::image(&archive));
    }
    assert!(taken > CASES / 20 && taken < CASES, "{taken} were taken");
}
