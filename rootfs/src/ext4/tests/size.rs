//! Sizes: known beforehand, as small as they can be, and refused with what makes them large.

use crate::{
    ext4::{Free, Options, Plan, PlanError, Size},
    store::Piece,
    tree::{Content, Kind},
};

use super::{
    image::{Image, options},
    plot::Plot,
    second_reader,
};

fn sized(size: Size) -> Options {
    Options { size, ..options() }
}

/// A tree with files of so many bytes, which are zeros that the tree knows nothing of.
fn heavy(sizes: &[(&str, u64)]) -> Plot {
    let mut plot = Plot::new();
    for (path, size) in sizes {
        let zeros = tempfile::tempfile().unwrap();
        zeros.set_len(*size).unwrap();
        let store = plot.store.add_file(zeros);
        let piece = Piece { at: 0, length: *size, store, offset: 0 };
        plot.kind(path, Kind::File(Content { size: *size, pieces: vec![piece] }));
    }
    plot
}

#[test]
fn an_empty_tree_is_a_small_file_system() {
    let image = Image::of(&Plot::new(), &options());
    assert!(image.usage.size <= 128 << 10, "{:?}", image.usage);
    assert_eq!(image.usage.free, 0);
}

#[test]
fn free_space_is_what_was_asked_for() {
    let plot = heavy(&[("data", 10 << 20)]);
    // Around the sizes where a journal appears, where it grows, and where groups begin.
    for mebibytes in [0, 1, 7, 8, 100, 113, 114, 115, 116, 117, 118, 119, 120, 240, 1000, 2100] {
        let asked = mebibytes << 20;
        let image = Image::of(&plot, &sized(Size::Fitted(Free::Bytes(asked))));
        let free = image.usage.free;
        assert!(free >= asked, "{mebibytes}: {:?}", image.usage);
        // More only where the next table of inodes, journal or group has to be paid for.
        assert!(free - asked <= (2 << 20) + asked / 32, "{mebibytes}: {:?}", image.usage);
    }
    for percent in [1, 20, 50, 90, 95] {
        let usage = Image::of(&plot, &sized(Size::Fitted(Free::Percent(percent)))).usage;
        assert!(usage.free * 100 >= usage.size * u64::from(percent), "{percent}: {usage:?}");
        assert!(usage.free * 100 <= usage.size * u64::from(percent + 1), "{percent}: {usage:?}");
    }
}

#[test]
fn exact_sizes_are_kept_and_small_ones_refused() {
    let plot = heavy(&[("data", 1 << 20)]);
    let group = 128 << 20;
    for size in [2 << 20, (8 << 20) - 1, 8 << 20, group, group + 4096, group + (1 << 20), 3 << 30] {
        let image = Image::of(&plot, &sized(Size::Exact(size)));
        second_reader::check(&image, &plot);
    }
    let Err(PlanError::TooSmall { needed, .. }) =
        Plan::of(&plot.tree, &sized(Size::Exact(1 << 20)))
    else {
        panic!("1 MiB is too small");
    };
    Image::of(&plot, &sized(Size::Exact(needed)));
    for size in [0, 4096, needed - 4096] {
        let refused = Plan::of(&plot.tree, &sized(Size::Exact(size))).unwrap_err();
        assert!(matches!(refused, PlanError::TooSmall { .. }), "{size}: {refused}");
    }
}

#[test]
fn a_limit_names_the_biggest_directories() {
    let plot = heavy(&[
        ("usr/lib/big/one", 40 << 20),
        ("usr/lib/big/two", 10 << 20),
        ("usr/share/doc", 20 << 20),
        ("small/file", 4096),
    ]);
    let options = Options { limit: Some(64 << 20), ..options() };
    let refused = Plan::of(&plot.tree, &options).unwrap_err();
    let PlanError::TooLarge { needed, biggest, .. } = &refused else { panic!("{refused}") };
    let paths: Vec<_> =
        biggest.0.iter().map(|holds| (&holds.path[..], holds.bytes >> 20)).collect();
    assert_eq!(paths, [("/usr", 70), ("/usr/lib/big", 50), ("/usr/share", 20), ("/small", 0)]);
    assert!(refused.to_string().contains("/usr/share (20484 KiB)"), "{refused}");
    let limit = Some(*needed);
    let size = Plan::of(&plot.tree, &Options { limit, ..options }).unwrap().usage().size;
    assert_eq!(size, *needed);
}

#[test]
fn files_go_around_what_groups_keep() {
    // Over many groups with copies of the superblock, and over two stretches of tables.
    let plot = heavy(&[("a", 100 << 20), ("b", 2300 << 20), ("c", 3)]);
    let image = Image::of(&plot, &options());
    second_reader::check(&image, &plot);
    let extents = image.ask("dump_extents /b");
    assert!(extents.contains(" 1/ 1 "), "{extents}");
}

#[test]
fn it_grows_by_the_blocks_that_were_kept_for_that() {
    let plot = heavy(&[("data", 3 << 20)]);
    let image = Image::of(&plot, &sized(Size::Fitted(Free::Bytes(100 << 20))));
    let output = std::process::Command::new("/sbin/resize2fs").arg(image.path()).arg("9G").output();
    let output = output.expect("resize2fs is needed (Debian: e2fsprogs)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    image.run("e2fsck", &["-f", "-n"]);
    second_reader::check(&image, &plot);
}
