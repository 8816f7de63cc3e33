//! Images that nothing can come of: what a user reads, and what is left.

use std::{fs, path::Path};

use kiln_forge::Forge;
use kiln_rootfs::{Compression, Digest};
use serde_json::{Value, json};

use crate::{
    layout::{self, Layout},
    picture::{Form, Hung, Picture},
    program::{Ended, convert, converted},
    reading::READER,
};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("ugly::what_is_no_image", what_is_no_image),
    ("ugly::a_platform_that_is_not_there", a_platform_that_is_not_there),
    ("ugly::layers_that_are_missing_or_changed", layers_that_are_missing_or_changed),
    ("ugly::layers_that_do_not_fit_on_each_other", layers_that_do_not_fit_on_each_other),
    ("ugly::what_an_ext4_cannot_hold", what_an_ext4_cannot_hold),
    ("ugly::paths_that_lead_out", paths_that_lead_out),
    ("ugly::more_than_an_image_may_be", more_than_an_image_may_be),
    ("ugly::commands_that_would_not_run", commands_that_would_not_run),
];

fn file(name: &str, text: &str) -> Forge {
    Forge::default().member(b'0', name, "", 0o755, text.as_bytes())
}

fn picture() -> Picture {
    Picture::of(vec![file("a", "one").end(), file("b", "two").end()])
}

/// Nothing comes of it; what is there stays, and nothing comes to it.
#[track_caller]
fn refused(hung: &Hung, options: &[&str]) -> String {
    fs::write(hung.at("old"), "as it was").unwrap();
    let before = hung.beside();
    for name in ["new", "old"] {
        let metadata = hung.at("metadata");
        let metadata = ["--metadata", metadata.to_str().unwrap()];
        let Ended { code, out, error } =
            convert(&hung.image(), &hung.at(name), &[options, &metadata].concat());
        assert_eq!((code, &*out), (Some(1), ""), "{error}");
        assert_eq!(hung.beside(), before);
        assert_eq!(fs::read(hung.at("old")).unwrap(), b"as it was");
        if name == "old" {
            return error;
        }
    }
    unreachable!("the last name returns");
}

#[track_caller]
fn check(picture: &Picture, options: &[&str], expected: &str) {
    for form in [Form::Directory, Form::Archive, Form::Docker] {
        let error = refused(&picture.clone().form(form).hang(), options);
        assert_eq!(error, format!("kiln-rootfs: {expected}\n"), "{form:?}");
    }
}

/// A layout that something was done to.
#[track_caller]
fn check_layout(change: impl FnOnce(&mut Layout), expected: &str) {
    let hung = picture().hang();
    fs::remove_dir_all(hung.image()).unwrap();
    let mut layout = picture().layout();
    change(&mut layout);
    layout.write(&hung.image());
    assert_eq!(refused(&hung, &[]), format!("kiln-rootfs: cannot {expected}\n"));
}

fn layer(number: usize) -> Digest {
    Digest::of(&layout::pack(&picture().layers[number], Compression::Gzip))
}

fn what_is_no_image() {
    let expected = "kiln-rootfs: cannot open the image: not an image: neither an OCI layout, nor a \
        tar of one, nor an archive of docker\n";
    let tar = file("a", "one").end();
    for bytes in [&b""[..], b"text", &[0; 10_240], &tar] {
        let hung = picture().form(Form::Archive).hang();
        fs::write(hung.image(), bytes).unwrap();
        assert_eq!(refused(&hung, &[]), expected);
    }
    let hung = picture().hang();
    fs::remove_file(hung.image().join("oci-layout")).unwrap();
    assert_eq!(refused(&hung, &[]), expected);
    fs::remove_dir_all(hung.image()).unwrap();
    let expected = "kiln-rootfs: cannot open the image: cannot read the image: No such file or \
        directory (os error 2)\n";
    assert_eq!(refused(&hung, &[]), expected);
    let path = hung.at("nowhere/out");
    let ended = convert(Path::new("/nowhere"), &path, &[]);
    let problem = "No such file or directory (os error 2)";
    let expected = format!("kiln-rootfs: cannot write {}: {problem}\n", path.display());
    assert_eq!((ended.code, ended.error), (Some(1), expected));
}

fn a_platform_that_is_not_there() {
    let expected = "cannot open the image: no image for linux/arm64: there is linux/amd64";
    check(&picture(), &["--platform", "linux/arm64"], expected);
    let hung = picture().hang();
    let named =
        "kiln-rootfs: cannot open the image: no image is called \"other\": there is latest\n";
    assert_eq!(refused(&hung, &["--name", "other"]), named);
}

fn layers_that_are_missing_or_changed() {
    let digest = layer(1);
    check_layout(
        |layout| layout.blobs.retain(|blob| Digest::of(blob) != digest),
        &format!("open the image: layer 2 of 2 ({digest}) is missing in the image"),
    );
    let hung = picture().hang();
    let place = hung.image().join("blobs/sha256").join(layer(1).hex());
    let mut blob = fs::read(&place).unwrap();
    let (whole, end) = (blob.clone(), blob.len() - 12);
    blob[9] ^= 1;
    fs::write(&place, &blob).unwrap();
    let expected = format!(
        "kiln-rootfs: cannot read the image's layers: layer 2 of 2: it has the digest {}, and should \
         have {digest}\n",
        Digest::of(&blob)
    );
    assert_eq!(refused(&hung, &[]), expected);
    fs::write(&place, &whole[..end]).unwrap();
    let expected = format!(
        "kiln-rootfs: cannot open the image: layer 2 of 2 ({digest}) is {end} bytes long, and should \
         be {}\n",
        whole.len()
    );
    assert_eq!(refused(&hung, &[]), expected);
    // What the configuration says of it.
    let mut other = picture();
    let (is, was) = (Digest::of(&other.layers[0]), Digest::of(b"another"));
    other.config["rootfs"]["diff_ids"][0] = json!(was.to_string());
    let expected = format!(
        "cannot read the image's layers: layer 1 of 2: its tar has the digest {is}, and should have \
         {was}"
    );
    check(&other, &[], &expected);
    let mut fewer = picture();
    fewer.config["rootfs"]["diff_ids"] = json!([is.to_string()]);
    let expected = "cannot open the image: the manifest has 2 layers, and the configuration 1";
    check(&fewer, &[], expected);
}

fn layers_that_do_not_fit_on_each_other() {
    let fit = "the image's layers do not fit on each other: ";
    let check = |layers: Vec<Vec<u8>>, expected: &str| {
        check(&Picture::of(layers), &[], &format!("{fit}{expected}"));
    };
    let link = |target: &str| Forge::default().member(b'1', "link", target, 0o644, b"").end();
    check(vec![link("gone")], "layer 1: link: it links to gone, which is not there");
    check(
        vec![file("a", "one").end(), file(".wh.a", "").end(), link("a")],
        "layer 3: link: it links to a, which is not there",
    );
    check(
        vec![Forge::default().member(b'5', "d/", "", 0o755, b"").end(), link("d")],
        "layer 2: link: it links to d, which is a directory",
    );
    let through = file("a/b", "two").end();
    check(
        vec![file("a", "one").end(), through],
        "layer 2: a/b: a stands in its way, and is no directory",
    );
    let reserved = Forge::default().member(b'5', ".wh.a/", "", 0o755, b"").end();
    check(vec![reserved], "layer 1: .wh.a: a name with `.wh.` is a whiteout's, and this is none");
}

/// A tar has no such limits.
fn what_an_ext4_cannot_hold() {
    let check = |forge: Forge, expected: &str| {
        let hung = Picture::of(vec![forge.end()]).hang();
        let words = format!("kiln-rootfs: cannot make the file system: {expected}\n");
        assert_eq!(refused(&hung, &[]), words);
        converted(&hung.image(), &hung.at("tar"), &["--format", "tar"]);
    };
    let with = |name: &str, value: &[u8]| {
        let forge = Forge::default().pax_bytes(&[(&format!("SCHILY.xattr.{name}"), value)]);
        forge.member(b'0', "a", "", 0o644, b"")
    };
    check(
        with("user.large", &[b'l'; 5000]),
        "attribute user.large of /a: it does not fit: all attributes of a file share 4 KiB",
    );
    check(
        with("system.posix_acl_access", b"everyone may"),
        "attribute system.posix_acl_access of /a: its value is not a POSIX access list",
    );
    check(
        Forge::default().device(b'3', "a", 5000, 1),
        "/a is device 5000:1: the largest that Linux knows is 4095:1048575",
    );
    check(
        file("lost+found", "found"),
        "/lost+found is no directory: e2fsck needs that name for what it finds",
    );
}

fn paths_that_lead_out() {
    for name in ["../a", "a/../../b"] {
        let hung = Picture::of(vec![file(name, "one").end()]).hang();
        let error = refused(&hung, &[]);
        let start =
            "kiln-rootfs: cannot read the image's layers: layer 1 of 1: its tar is not taken: ";
        assert!(error.starts_with(start) && error.contains(name), "{error}");
    }
    // A link that was planted is followed below the root, so nothing is outside.
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_str().unwrap();
    let link = Forge::default().member(b'2', "out", target, 0o777, b"").end();
    let hung = Picture::of(vec![link, file("out/planted", "x").end()]).hang();
    converted(&hung.image(), &hung.at("out"), &[]);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

fn more_than_an_image_may_be() {
    let deep = vec!["d"; 129].join("/");
    let deep = Forge::default().pax(&[("path", &deep)]).member(b'0', "x", "", 0o644, b"");
    let error = refused(&Picture::of(vec![deep.end()]).hang(), &[]);
    assert!(
        error.ends_with("d/d/d\" is not taken: it stands deeper than 128 directories\n"),
        "{error}"
    );
    let bomb = file("zeros", "").end();
    let bomb = [bomb, vec![0; 3 << 20]].concat();
    let hung = Picture::of(vec![bomb]).hang();
    assert_eq!(convert(&hung.image(), &hung.at("harmless"), &[]).code, Some(0));
}

fn commands_that_would_not_run() {
    // What is to be put in is looked at last.
    let direct = ["--init", "direct", "--init-program", READER];
    let check = |run: Value, expected: &str| {
        check(&picture().runs(run), &direct, &format!("it would not boot: {expected}"));
    };
    check(json!({}), "the image has no command: give it an ENTRYPOINT or a CMD");
    check(
        json!({ "Cmd": ["/missing"] }),
        "the image's command cannot be run: there is no \"/missing\" in the image",
    );
    check(
        json!({ "Entrypoint": ["sh", "-c"], "Env": ["PATH=/bin:/sbin"] }),
        "the image's command cannot be run: \"sh\" is in none of the directories of PATH (/bin:/sbin)",
    );
    check(
        json!({ "Cmd": ["/a"] }),
        "the image's command cannot be run: \"/a\" is neither a binary nor a script that starts with #!",
    );
    check(
        json!({ "Cmd": ["/a"], "User": "nobody" }),
        "the image's user cannot be found: there is no user \"nobody\" in /etc/passwd",
    );
    let script = vec![file("run", "#!/bin/sh\n").end()];
    let expected = "it would not boot: the image's command cannot be run: \"/run\" needs \"/bin/sh\" to \
        run it: there is no \"/bin/sh\" in the image";
    self::check(&Picture::of(script).runs(json!({ "Cmd": ["/run"] })), &direct, expected);
    let custom =
        "it would not boot: process 1 cannot be /missing: there is no \"/missing\" in the image";
    self::check(&picture(), &["--init", "/missing"], custom);
    let systemd = "it would not boot: the image has no systemd: install it there, or let the command be \
        run directly";
    self::check(&picture(), &["--init", "systemd"], systemd);
}
