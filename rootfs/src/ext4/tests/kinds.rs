//! One of everything.

use sha2::{Digest as _, Sha256};

use super::{
    image::{Image, options},
    plots::{everything, times},
    second_reader,
};

#[test]
fn times_reach_from_1901_to_2446() {
    let image = Image::of(&times(), &options());
    let told = image.ask("stat /2147483648");
    assert!(told.contains("mtime: 0x80000000:ee6b27fd -- Tue Jan 19 03:14:08 2038"), "{told}");
}

#[test]
fn everything_is_read_back() {
    let plot = everything();
    let image = Image::of(&plot, &options());
    second_reader::check(&image, &plot);
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let one = Image::of(&everything(), &options()).bytes();
    let other = Image::of(&everything(), &options()).bytes();
    assert!(one == other);
    // And so on every machine: who changes what is written changes what everyone gets.
    let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
    let digest = Sha256::digest(&one).iter().fold(String::new(), hex);
    assert_eq!(digest, "9f007d7a874f824efad358ab869e66d2a0361ac7eb163d40a37301af803314e3");
}
