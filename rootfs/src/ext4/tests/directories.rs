//! Directories of every size, up to those that take two levels of an index.

use crate::ext4::hashed::Hashed;

use super::{
    image::{Image, options},
    plots, second_reader,
};

#[test]
fn names_fill_blocks_to_the_last_byte() {
    let plot = plots::full_blocks();
    second_reader::check(&Image::of(&plot, &options()), &plot);
}

#[test]
fn an_index_of_two_levels() {
    let plot = plots::two_levels();
    let image = Image::of(&plot, &options());
    let tree = image.ask("htree_dump /many");
    assert!(tree.contains("Indirect levels: 1"), "{tree:.300}");
    second_reader::check(&image, &plot);
}

#[test]
fn names_of_equal_hash_stand_in_blocks_that_follow_each_other() {
    let seed = options().hash_seed;
    for names in plots::twins() {
        let hashed = Hashed::of(names.iter().map(String::as_bytes), &seed).unwrap();
        assert!(hashed.parts_equal_hashes(), "{:?}", names.last());
    }
    // The second reader does not look for a name in the block that follows: only the kernel reads it.
    Image::of(&plots::parted_twins(), &options());
}
