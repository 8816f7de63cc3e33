//! The same image and options are the same bytes, whoever makes them, and wherever and whenever.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use kiln_forge::Forge;
use kiln_rootfs::{Compression, Digest};
use serde_json::json;

use crate::{
    picture::{Form, Hung, Picture},
    program::{PATH, converted, ended, of_debian},
};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("sameness::twice_and_in_every_form", twice_and_in_every_form),
    ("sameness::whatever_surrounds_it", whatever_surrounds_it),
    ("sameness::on_another_day", on_another_day),
];
pub(crate) const ROOT: &[(&str, fn())] = &[("sameness::another_user", another_user)];

const OPTIONS: [&str; 4] = ["--quiet", "--setuid", "strip", "--optimize"];

/// Some of everything, with secrets to be taken out.
fn picture() -> Picture {
    let lower = Forge::default()
        .member(b'5', "./", "", 0o755, b"")
        .member(b'5', "etc/", "", 0o755, b"")
        .member(b'0', "etc/machine-id", "", 0o444, b"0123456789abcdef0123456789abcdef\n")
        .member(b'0', "setuid", "", 0o4755, b"program")
        .pax_bytes(&[("SCHILY.xattr.user.a", b"b"), ("SCHILY.xattr.user.c", b"d")])
        .member(b'0', "file", "", 0o644, &[7; 10_000])
        .member(b'1', "linked", "file", 0o644, b"")
        .device(b'3', "null", 1, 3)
        .member(b'0', "var/log/messages", "", 0o644, b"old");
    let upper = (0..300).fold(Forge::default(), |forge, number| {
        forge.member(b'0', &format!("many/{number}"), "", 0o644, number.to_string().as_bytes())
    });
    let mut picture = Picture::of(vec![lower.end(), upper.end()]);
    picture.config["created"] = json!("2026-01-02T03:04:05Z");
    picture
}

fn digest(path: &Path) -> Digest {
    Digest::of(&fs::read(path).unwrap())
}

/// Of an ext4 and of a tar, both packed and not.
fn digests(hung: &Hung) -> Vec<Digest> {
    let variants: [&[&str]; 4] = [
        &["--label", "same"],
        &["--format", "tar"],
        &["--compress", "gzip"],
        &["--format", "tar", "--compress", "zstd"],
    ];
    let out = hung.at("out");
    let digests = variants.into_iter().map(|variant| {
        converted(&hung.image(), &out, &[&OPTIONS, variant].concat());
        digest(&out)
    });
    digests.collect()
}

fn twice_and_in_every_form() {
    let hung = picture().hang();
    let expected = digests(&hung);
    assert_eq!(digests(&hung), expected);
    let compressions: [&'static [Compression]; 3] =
        [&[Compression::Gzip], &[Compression::Zstd], &[Compression::Plain, Compression::Zstd]];
    for (form, compressions) in
        [Form::Archive, Form::Docker, Form::Directory].into_iter().zip(compressions)
    {
        let hung = picture().form(form).packed(compressions).hang();
        assert_eq!(digests(&hung), expected, "{form:?}");
    }
    let mut other = picture();
    other.config["created"] = json!("2026-01-02T03:04:06Z");
    assert_ne!(digests(&other.hang())[0], expected[0]);
}

/// A copy that everyone may run, of an image that everyone may read.
struct Open {
    hung: Hung,
    program: PathBuf,
}

impl Open {
    fn new() -> Self {
        let hung = picture().form(Form::Archive).hang();
        let program = hung.at("program");
        fs::copy(PATH, &program).unwrap();
        let everyone = fs::Permissions::from_mode(0o777);
        fs::set_permissions(hung.at("."), everyone).unwrap();
        Self { hung, program }
    }

    /// What comes of it by way of other programs that run it.
    fn through(&self, way: &[&str], change: impl FnOnce(&mut Command)) -> Digest {
        let out = self.hung.at("out");
        let program = self.program.to_str().unwrap();
        let words = [way, &[program]].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(self.hung.image()).arg("-o").arg(&out).args(OPTIONS);
        change(&mut command);
        let ended = ended(&mut command);
        assert_eq!((ended.code, &*ended.error), (Some(0), ""), "{way:?}");
        let digest = digest(&out);
        fs::remove_file(out).unwrap();
        digest
    }
}

fn whatever_surrounds_it() {
    let open = Open::new();
    let expected = open.through(&[], |_| {});
    let check = |way: &[&str], change: fn(&mut Command)| {
        assert_eq!(open.through(way, change), expected, "{way:?}");
    };
    check(&["sh", "-c", r#"umask 077; exec "$0" "$@""#], |_| {});
    check(&["env", "-i"], |_| {});
    check(&["env", "TZ=Asia/Kathmandu", "LC_ALL=tr_TR.UTF-8", "LANG=tr_TR"], |_| {});
    check(&["env", "SOURCE_DATE_EPOCH=1", "HOME=/nowhere", "TMPDIR=/nowhere"], |_| {});
    check(&["taskset", "1"], |_| {});
    check(&[], |command| {
        command.current_dir("/");
    });
}

fn another_user() {
    let open = Open::new();
    let expected = open.through(&[], |_| {});
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    assert_eq!(open.through(&nobody, |_| {}), expected);
}

fn on_another_day() {
    of_debian("faketime", Command::new("faketime").arg("--version"));
    let open = Open::new();
    let expected = open.through(&[], |_| {});
    for day in ["1999-12-31 23:59:59", "2037-01-01 00:00:00"] {
        assert_eq!(open.through(&["faketime", day], |_| {}), expected, "{day}");
    }
}
