//! What layers do to each other.

use kiln_forge::Forge;
use kiln_rootfs::Compression;

use crate::picture::{Form, Picture};

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

pub fn hard_links_across_layers() -> Picture {
    let layers: [&[&str]; 4] = [
        &["./", "a: one", "d/", "d/b = a", "c: two"],
        &["e = a", "f = d/b", "c: three", "g = c"],
        &[".wh.a", "d/.wh.b", "h = f"],
        &["h: four", "i = h", "j = i"],
    ];
    stack(&layers)
}

pub fn whiteouts() -> Picture {
    let layers: [&[&str]; 3] = [
        &["./", "a: one", "b/", "b/c: two", "b/d/", "b/d/e: three", "f -> b"],
        &[".wh.a", "b/.wh.d", "f/.wh.c", ".wh.nothing", "nowhere/.wh.nothing"],
        &["a: again", "b/d: file", "g: new", ".wh.f"],
    ];
    stack(&layers).form(Form::Archive)
}

pub fn opaque_directories() -> Picture {
    let layers: [&[&str]; 3] = [
        &["./", "a/", "a/b: one", "a/c/", "a/c/d: two", "e/", "e/f: three"],
        &["a/", "a/.wh..wh..opq", "a/c/", "a/c/new: four"],
        &["e/g: five", "e/.wh..wh..opq"],
    ];
    stack(&layers).form(Form::Docker)
}

pub fn kinds_that_take_each_others_place() -> Picture {
    let layers: [&[&str]; 3] = [
        &["./", "a/", "a/b: one", "c: two", "d -> a", "e/", "e/f: three"],
        &["a: file", "c/", "c/x: four", "d: no link any more", "e -> c"],
        &["e/y: five", "c/", "a -> c"],
    ];
    stack(&layers).packed(&[Compression::Zstd])
}

pub fn later_layers_through_the_links_of_a_merged_usr() -> Picture {
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
    stack(&layers).packed(&[Compression::Gzip, Compression::Plain, Compression::Zstd])
}

pub fn as_many_layers_as_docker_makes() -> Picture {
    let layers = (0..127_usize).map(|number| {
        let last = format!(".wh.only-{}", number.wrapping_sub(1));
        let (own, only) = (format!("own-{number}: {number}"), format!("only-{number}: {number}"));
        let all = format!("all: {number}");
        tar(&["./", &last, &own, &only, &all])
    });
    Picture::of(layers.collect()).packed(&[
        Compression::Zstd,
        Compression::Gzip,
        Compression::Plain,
    ])
}

pub fn layers_that_hold_nothing() -> Picture {
    let nothing = tar(&[]);
    let layers = vec![nothing.clone(), tar(&["a: one"]), nothing];
    Picture::of(layers)
}

pub fn no_layer_at_all() -> Picture {
    Picture::of(Vec::new())
}
