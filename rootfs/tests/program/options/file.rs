//! How large a file system is, and what it is called.

use std::{fs, path::Path};

use ext4_view::Ext4;
use kiln_forge::Forge;
use serde_json::Value;

use crate::{
    comparison::check_file_system,
    picture::Picture,
    program::{Ended, convert, converted},
};

pub(crate) const TESTS: &[(&str, fn())] =
    &[("options::file::size_free_and_limit", size_free_and_limit), ("options::file::label", label)];

fn picture() -> Picture {
    let (small, large) = (vec![1; 100_000], vec![2; 3 << 20]);
    let forge = Forge::default().member(b'0', "small/file", "", 0o644, &small).member(
        b'0',
        "large/file",
        "",
        0o644,
        &large,
    );
    Picture::of(vec![forge.end()])
}

/// Its size, and how much of that is free.
fn sizes(path: &Path, metadata: &Path) -> (u64, u64) {
    check_file_system(path);
    let told: Value = serde_json::from_slice(&fs::read(metadata).unwrap()).unwrap();
    let size = fs::metadata(path).unwrap().len();
    assert_eq!(told["ext4"]["size"], size);
    (size, told["ext4"]["free"].as_u64().unwrap())
}

fn size_free_and_limit() {
    let hung = picture().hang();
    let (out, metadata) = (hung.at("out"), hung.at("metadata"));
    let made = |options: &[&str]| {
        let told = ["--metadata", metadata.to_str().unwrap()];
        converted(&hung.image(), &out, &[&told, options].concat());
        sizes(&out, &metadata)
    };
    let (fitted, free) = made(&[]);
    assert!(free * 10 >= fitted && free < fitted / 2, "{free} of {fitted}");
    let (least, free) = made(&["--free", "0"]);
    assert!(least < fitted && free < 1 << 20, "{free} of {least}");
    let (size, free) = made(&["--free", "50%"]);
    assert!(free * 2 >= size, "{free} of {size}");
    let (size, free) = made(&["--free", "8M"]);
    // A larger one has a journal too.
    assert!(free >= 8 << 20 && size < least + (13 << 20), "{free} of {size}");
    assert_eq!(made(&["--size", "64M"]).0, 64 << 20);
    assert_eq!(made(&["--size-limit", &fitted.to_string()]).0, fitted);
    let refused = |options: &[&str]| {
        let Ended { code, error, .. } = convert(&hung.image(), &out, options);
        assert_eq!(code, Some(1), "{error}");
        error
    };
    let biggest = "the most is in /large (3076 KiB), /small (104 KiB)\n";
    let limit = (fitted - 1).to_string();
    let expected = format!(
        "kiln-rootfs: cannot make the file system: {fitted} bytes are needed, {limit} are the limit; \
         {biggest}"
    );
    assert_eq!(refused(&["--size-limit", &limit]), expected);
    let expected = format!(
        "kiln-rootfs: cannot make the file system: {least} bytes are needed, 1048576 are given; \
         {biggest}"
    );
    assert_eq!(refused(&["--size", "1M"]), expected);
    assert_eq!(convert(&hung.image(), &out, &["--size=64M", "--free=1M"]).code, Some(2));
}

fn label() {
    let hung = picture().hang();
    let out = hung.at("out");
    converted(&hung.image(), &out, &["--label", "sixteen-letters!"]);
    let ext4 = Ext4::load_from_path(&out).unwrap();
    assert_eq!(ext4.label().as_bytes(), b"sixteen-letters!");
    let long = convert(&hung.image(), &out, &["--label", "seventeen-letters"]);
    let words = "kiln-rootfs: cannot make the file system: the label 'seventeen-letters' has more than \
        16 bytes, or a zero byte\n";
    assert_eq!((long.code, &*long.error), (Some(1), words));
}
