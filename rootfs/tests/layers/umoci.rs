//! The same layers read by umoci, which unpacks them to a disk: what is there then is what our tree has.

use std::{path::Path, process::Command};

use kiln_forge::{Dice, Forge};
use kiln_rootfs::{Compression, Limits};

use crate::{converted::image, layout::Layout, program::of_debian, reading::Reading};

pub(crate) const ROOT: &[(&str, fn())] =
    &[("umoci::umoci_reads_layers_as_we_do", umoci_reads_layers_as_we_do)];

const CASES: u64 = 120;
/// Of them, so many have to be taken by both, or the comparison says nothing.
const TAKEN: usize = 50;

/// `None` where it refuses.
fn unpack(layout: &Path, into: &Path) -> Option<Reading> {
    let image = format!("{}:latest", layout.display());
    let mut umoci = Command::new("umoci");
    umoci.args(["raw", "unpack", "--image", &image]).arg(into);
    let output = of_debian("umoci", &mut umoci);
    output.status.success().then(|| Reading::of_directory(into))
}

fn umoci_reads_layers_as_we_do() {
    let (mut taken, mut wrong) = (0, Vec::new());
    for seed in 0..CASES {
        let base = tempfile::tempdir().unwrap();
        let layout = base.path().join("layout");
        let mut dice = Dice::new(seed);
        let all: Vec<_> = (0..=dice.roll(4)).map(|_| layer(&mut dice)).collect();
        Layout::of(&all, Compression::Gzip).write(&layout);
        let theirs = unpack(&layout, &base.path().join("rootfs"));
        let ours = image(&layout, &Limits::default());
        match (ours, theirs) {
            (Ok(ours), Some(mut theirs)) => {
                let mut ours = ours.reading();
                // When it makes or empties a directory, umoci lets its time be that of the day.
                for reading in [&mut ours, &mut theirs] {
                    for fact in reading.0.values_mut().filter(|fact| fact.kind == "directory") {
                        fact.modified = (0, 0);
                    }
                }
                taken += 1;
                let differences = ours.differences(&theirs);
                if !differences.is_empty() {
                    wrong.push((seed, differences));
                }
            }
            (Err(_), None) => {}
            (Ok(_), None) => wrong.push((seed, vec!["umoci refuses".to_owned()])),
            (Err(error), Some(_)) => wrong.push((seed, vec![format!("refused: {error:?}")])),
        }
    }
    assert!(wrong.is_empty(), "{} differ: {:#?}", wrong.len(), &wrong[..wrong.len().min(4)]);
    assert!(taken >= TAKEN, "only {taken} images were taken");
}

fn layer(dice: &mut Dice) -> Vec<u8> {
    let mut forge = Forge::default();
    for number in 0..dice.roll(12) {
        forge = member(forge, dice, number);
    }
    // One member at least, so that it is a layer as tools write it.
    forge.member(b'0', "zz", "", 0o644, b"").end()
}

fn member(mut forge: Forge, dice: &mut Dice, number: usize) -> Forge {
    let directory = dice.one_of(&["", "a/", "a/b/", "c/", "a/b/d/", "l/"]);
    let name = format!("{directory}{}", dice.one_of(&["x", "y", "z", "b", "d", "w"]));
    let mode = [0o644, 0o755, 0o4755, 0o600][dice.roll(4)];
    let body = vec![b'a' + u8::try_from(number).unwrap(); dice.roll(2000)];
    let device = u32::try_from(dice.roll(200)).unwrap();
    if dice.roll(5) == 0 {
        forge = forge.pax_bytes(&[("mtime", b"1234.567"), ("SCHILY.xattr.user.a", b"\0value\xff")]);
        return forge.member(b'0', &name, "", mode, &body).owner(1234, 70_000);
    }
    match dice.roll(16) {
        0..=3 => forge.member(b'5', &format!("{name}/"), "", mode | 0o700, b"").owner(7, 8),
        4..=6 => forge.member(b'0', &name, "", mode, b"").owner(9, 10),
        7 => {
            forge.member(b'2', &name, dice.one_of(&["x", "../a", "/a/b", "nowhere/x"]), 0o777, b"")
        }
        8 => forge.member(b'2', "l", dice.one_of(&["a", "/a/b", "c", "../../a"]), 0o777, b""),
        9 => forge.member(b'1', &name, dice.one_of(&["x", "a/x", "c/y", "zz"]), 0o644, b""),
        10 => forge.device(b'3', &name, 1, device),
        11 => forge.member(b'6', &name, "", mode, b""),
        12 => forge.device(b'4', &name, 7, device),
        13 | 14 => {
            let gone = format!("{directory}.wh.{}", dice.one_of(&["x", "y", "b", "d"]));
            forge.member(b'0', &gone, "", 0o644, b"")
        }
        _ => forge.member(b'0', &format!("{directory}.wh..wh..opq"), "", 0o644, b""),
    }
}
