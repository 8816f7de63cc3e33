//! Trees, and what the kernel makes of them.

use std::fs;

use kiln_rootfs::ext4::{Free, Options, Size};
use proptest::test_runner::{Config, TestRunner};

use crate::{
    image::{Image, options},
    mounted::{self, Mounted},
    plot::Plot,
    plots, random,
};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("trees::everything", everything),
    ("trees::times", times),
    ("trees::full_blocks", full_blocks),
    ("trees::an_index_of_two_levels", an_index_of_two_levels),
    ("trees::names_of_equal_hash_are_found", names_of_equal_hash_are_found),
    ("trees::attributes_that_fill_their_block", attributes_that_fill_their_block),
    ("trees::directories_that_are_not_counted", directories_that_are_not_counted),
    ("trees::any", any),
    ("trees::the_kernel_goes_on_where_the_writer_ended", the_kernel_goes_on_where_the_writer_ended),
];

fn check(plot: &Plot) {
    mounted::check(&Image::of(plot, &options()), plot);
}

fn everything() {
    check(&plots::everything());
}

fn times() {
    check(&plots::times());
}

fn full_blocks() {
    check(&plots::full_blocks());
}

fn an_index_of_two_levels() {
    check(&plots::two_levels());
}

fn names_of_equal_hash_are_found() {
    check(&plots::parted_twins());
}

fn attributes_that_fill_their_block() {
    check(&plots::attributed(&[("user.a", 4040)]));
    check(&plots::attributed(&[("user.a", 4040), ("user.b", 68)]));
}

fn directories_that_are_not_counted() {
    let image = Image::of(&plots::uncounted(), &options());
    assert!(image.ask("stat /many").contains("Links: 1 "));
    let mounted = Mounted::of(&image, "loop,ro");
    assert_eq!(fs::read_dir(mounted.path().join("many")).unwrap().count(), 64_999);
    assert!(mounted.path().join("many/64998").is_dir());
}

fn any() {
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&random::plots(), |plot| {
        check(&plot);
        Ok(())
    });
    outcome.unwrap();
}

fn the_kernel_goes_on_where_the_writer_ended() {
    let mut plot = Plot::new();
    plots::crowd(&mut plot, "full", 5000, |index| format!("{index:0100}"));
    plot.file("small", b"before");
    let size = Size::Fitted(Free::Bytes(64 << 20));
    let image = Image::of(&plot, &Options { size, ..options() });
    let mounted = Mounted::of(&image, "loop");
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
