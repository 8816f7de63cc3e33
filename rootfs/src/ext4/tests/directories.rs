//! Directories of every size, up to those that take two levels of an index.

use std::{collections::HashMap, fs};

use crate::{
    ext4::{Free, Options, Size, hash, hashed::Hashed},
    tree::Kind,
};

use super::{
    image::{Image, options},
    kernel::{self, Mounted},
    plot::Plot,
    second_reader,
};

/// A directory of so many names, all of one file that more names would be too many for.
fn crowd(plot: &mut Plot, directory: &str, count: usize, name: impl Fn(usize) -> String) {
    let mut file = None;
    for index in 0..count {
        let path = format!("{directory}/{}", name(index));
        match file.filter(|_| !index.is_multiple_of(50_000)) {
            Some(id) => plot.name(&path, id),
            None => file = Some(plot.file(&path, b"of many names")),
        }
    }
}

#[test]
fn names_fill_blocks_to_the_last_byte() {
    let mut plot = Plot::new();
    // A name of four bytes takes twelve: 338 and the dots are one block to the byte.
    for count in [337, 338, 339, 340, 341, 1000] {
        crowd(&mut plot, &format!("four/{count}"), count, |index| format!("{index:04}"));
    }
    for count in [14, 15, 16, 17, 100] {
        crowd(&mut plot, &format!("long/{count}"), count, |index| format!("{index:0255}"));
    }
    crowd(&mut plot, "every length", 255, |index| "x".repeat(index + 1));
    let image = Image::of(&plot, &options());
    second_reader::check(&image, &plot);
    kernel::check(&image, &plot);
}

#[test]
fn an_index_of_two_levels() {
    let mut plot = Plot::new();
    // 15 names in a block: 8,000 take more blocks than one level of an index reaches.
    crowd(&mut plot, "many", 12_000, |index| format!("{index:0255}"));
    let image = Image::of(&plot, &options());
    let tree = image.ask("htree_dump /many");
    assert!(tree.contains("Indirect levels: 1"), "{tree:.300}");
    kernel::check(&image, &plot);
}

#[test]
fn names_of_equal_hash_stand_in_blocks_that_follow_each_other() {
    let seed = options().hash_seed;
    let mut by_hash = HashMap::new();
    let twins: Vec<(String, String)> = (0..250_000_u32)
        .filter_map(|index| {
            let name = format!("{index}");
            let other = by_hash.insert(hash::of(name.as_bytes(), &seed).major, name.clone())?;
            Some((other, name))
        })
        .collect();
    let mut plot = Plot::new();
    let mut parted = 0;
    for (which, (one, other)) in twins.iter().take(6).enumerate() {
        for count in 300..1000 {
            // Where in its block a pair stands depends on all other names.
            let mut names: Vec<_> = (0..count).map(|index| format!("{index:06}")).collect();
            names.extend([one.clone(), other.clone()]);
            let all = names.iter().map(String::as_bytes);
            if !Hashed::of(all, &seed).unwrap().parts_equal_hashes() {
                continue;
            }
            for name in names {
                plot.kind(&format!("{which}/{name}"), Kind::Fifo);
            }
            parted += 1;
            break;
        }
    }
    assert!(parted > 3, "{parted} of {}", twins.len());
    let image = Image::of(&plot, &options());
    kernel::check(&image, &plot);
}

#[test]
fn the_kernel_goes_on_where_the_writer_ended() {
    let mut plot = Plot::new();
    crowd(&mut plot, "full", 5000, |index| format!("{index:0100}"));
    plot.file("small", b"before");
    let size = Size::Fitted(Free::Bytes(64 << 20));
    let image = Image::of(&plot, &Options { size, ..options() });
    let Some(mounted) = Mounted::of(&image, "loop") else { return };
    for index in 0..5000 {
        let name = mounted.path().join(format!("full/new {index:090}"));
        fs::hard_link(mounted.path().join("small"), name).unwrap();
        if index % 2 == 0 {
            fs::remove_file(mounted.path().join(format!("full/{index:0100}"))).unwrap();
        }
    }
    fs::write(mounted.path().join("small"), vec![1; 20 << 20]).unwrap();
    assert_eq!(fs::read_dir(mounted.path().join("full")).unwrap().count(), 7500);
    drop(mounted);
    image.run("e2fsck", &["-f", "-n"]);
}
