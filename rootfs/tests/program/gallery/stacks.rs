//! What layers do to each other.

use kiln_forge::Forge;
use kiln_rootfs::Compression;

use crate::{
    comparison::check,
    picture::{Form, Picture},
    reading::Reading,
};

/// A tar of paths: `a/` is a directory, `a -> b` a link, `a = b` a hard link, and `a: text` and `a`
/// are files.
fn tar(members: &[&str]) -> Vec<u8> {
    let add = |forge: Forge, member: &&str| {
        if let Some((name, target)) = member.split_once(" -> ") {
            forge.member(b'2', name, target, 0o777, b"")
        } else if let Some((name, target)) = member.split_once(" = ") {
            forge.member(b'1', name, target, 0o644, b"")
        } else if let Some((name, text)) = member.split_once(": ") {
            forge.member(b'0', name, "", 0o644, text.as_bytes())
        } else {
            let kind = if member.ends_with('/') { b'5' } else { b'0' };
            forge.member(kind, member, "", 0o755, b"")
        }
    };
    members.iter().fold(Forge::default(), add).end()
}

fn stack(layers: &[&[&str]]) -> Picture {
    Picture::of(layers.iter().map(|members| tar(members)).collect())
}

#[track_caller]
fn check_paths(read: &Reading, expected: &[&str]) {
    let paths = read.0.keys().map(|path| crate::reading::unhex(path));
    let paths: Vec<_> = paths.map(|path| String::from_utf8(path).unwrap()).skip(1).collect();
    assert_eq!(paths, expected);
}

#[test]
fn hard_links_across_layers() {
    let layers: [&[&str]; 4] = [
        &["./", "a: one", "d/", "d/b = a", "c: two"],
        &["e = a", "f = d/b", "c: three", "g = c"],
        &[".wh.a", "d/.wh.b", "h = f"],
        &["h: four", "i = h", "j = i"],
    ];
    let read = check(&stack(&layers));
    check_paths(&read, &["/c", "/d", "/e", "/f", "/g", "/h", "/i", "/j"]);
    assert_eq!(read.fact("/f").first, read.fact("/e").first);
    assert_eq!(read.fact("/j").first, read.fact("/h").first);
    assert_ne!(read.fact("/h").first, read.fact("/e").first);
}

#[test]
fn whiteouts() {
    let layers: [&[&str]; 3] = [
        &["./", "a: one", "b/", "b/c: two", "b/d/", "b/d/e: three", "f -> b"],
        &[".wh.a", "b/.wh.d", "f/.wh.c", ".wh.nothing", "nowhere/.wh.nothing"],
        &["a: again", "b/d: file", "g: new", ".wh.f"],
    ];
    let read = check(&stack(&layers).form(Form::Archive));
    check_paths(&read, &["/a", "/b", "/b/d", "/g"]);
}

#[test]
fn opaque_directories() {
    let layers: [&[&str]; 3] = [
        &["./", "a/", "a/b: one", "a/c/", "a/c/d: two", "e/", "e/f: three"],
        &["a/", "a/.wh..wh..opq", "a/c/", "a/c/new: four"],
        &["e/g: five", "e/.wh..wh..opq"],
    ];
    let read = check(&stack(&layers).form(Form::Docker));
    check_paths(&read, &["/a", "/a/c", "/a/c/new", "/e", "/e/g"]);
}

#[test]
fn kinds_that_take_each_others_place() {
    let layers: [&[&str]; 3] = [
        &["./", "a/", "a/b: one", "c: two", "d -> a", "e/", "e/f: three"],
        &["a: file", "c/", "c/x: four", "d: no link any more", "e -> c"],
        &["e/y: five", "c/", "a -> c"],
    ];
    let read = check(&stack(&layers).packed(&[Compression::Zstd]));
    check_paths(&read, &["/a", "/c", "/c/x", "/c/y", "/d", "/e"]);
}

#[test]
fn later_layers_through_the_links_of_a_merged_usr() {
    let layers: [&[&str]; 3] = [
        &[
            "./",
            "usr/",
            "usr/bin/",
            "usr/lib/",
            "usr/bin/sh: shell",
            "bin -> usr/bin",
            "lib -> /usr/lib",
            "lib64 -> ../../../usr/lib",
            "self -> .",
        ],
        &[
            "bin/tool: tool",
            "lib/module/deep: module",
            "lib64/loader: loader",
            "self/self/top: top",
        ],
        &["bin/.wh.sh", "bin/tool-too = bin/tool", "lib/module/", "lib64/.wh.module"],
    ];
    let read =
        check(&stack(&layers).packed(&[Compression::Gzip, Compression::Plain, Compression::Zstd]));
    let expected = ["/bin", "/lib", "/lib64", "/self", "/top", "/usr", "/usr/bin"];
    let below = ["/usr/bin/tool", "/usr/bin/tool-too", "/usr/lib", "/usr/lib/loader"];
    check_paths(&read, &[&expected[..], &below, &["/usr/lib/module"]].concat());
}

#[test]
fn as_many_layers_as_docker_makes() {
    let layers = (0..127_usize).map(|number| {
        let last = format!(".wh.only-{}", number.wrapping_sub(1));
        let (own, only) = (format!("own-{number}: {number}"), format!("only-{number}: {number}"));
        let all = format!("all: {number}");
        tar(&["./", &last, &own, &only, &all])
    });
    let picture = Picture::of(layers.collect()).packed(&[
        Compression::Zstd,
        Compression::Gzip,
        Compression::Plain,
    ]);
    let read = check(&picture);
    assert_eq!(read.0.len(), 1 + 127 + 2);
    assert!(read.find("/only-126").is_some());
}

#[test]
fn layers_that_hold_nothing() {
    let nothing = tar(&[]);
    let layers = vec![nothing.clone(), tar(&["a: one"]), nothing];
    check_paths(&check(&Picture::of(layers)), &["/a"]);
}

#[test]
fn no_layer_at_all() {
    for form in [Form::Directory, Form::Archive, Form::Docker] {
        check_paths(&check(&Picture::of(Vec::new()).form(form)), &[]);
    }
}
