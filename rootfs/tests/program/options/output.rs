//! What is written where, and how it is told.

use std::{fs, io::Read as _, os::unix::fs::FileTypeExt as _, path::Path, process::Command};

use kiln_forge::Forge;
use kiln_rootfs::{Compression, Digest};
use serde_json::Value;

use crate::{
    layout::Layout,
    picture::{Hung, Picture},
    program::{Ended, PATH, convert, converted, ended, run},
    reading::Reading,
};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("options::output::output_and_quiet", output_and_quiet),
    ("options::output::every_refusal_is_one_line", every_refusal_is_one_line),
    ("options::output::whoever_listens_may_leave", whoever_listens_may_leave),
    ("options::output::metadata", metadata),
    ("options::output::spool", spool),
    ("options::output::format_and_compress", format_and_compress),
    ("options::output::name_and_platform", name_and_platform),
];

fn picture() -> Picture {
    Picture::of(vec![Forge::default().member(b'0', "a", "", 0o644, b"one").end()])
}

fn digest(path: &Path) -> String {
    Digest::of(&fs::read(path).unwrap()).to_string()
}

fn output_and_quiet() {
    let hung = picture().hang();
    let out = hung.at("out");
    fs::write(&out, "was here before").unwrap();
    let told = converted(&hung.image(), &out, &[]);
    assert!(told.starts_with(&digest(&out)), "{told}");
    assert!(told.contains("(linux/amd64, 1 layer)\n"), "{told}");
    assert_eq!(converted(&hung.image(), &hung.at("quiet"), &["--quiet"]), "");
    assert_eq!(hung.beside(), ["out", "quiet"]);
    // Names that are no file's stay what they are.
    for taken in [hung.at("."), "/dev/null".into()] {
        let refused = convert(&hung.image(), &taken, &[]);
        let words = format!(
            "kiln-rootfs: cannot write {}: it is there already, and no file\n",
            taken.display()
        );
        assert_eq!((refused.code, refused.error), (Some(1), words));
    }
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    let version = run(["--version"]);
    assert_eq!(version.out, format!("kiln-rootfs {}\n", env!("CARGO_PKG_VERSION")));
}

/// Whoever runs it shows the last line that it wrote.
fn every_refusal_is_one_line() {
    let hung = picture().hang();
    let (image, out) = (hung.image(), hung.at("out"));
    let nowhere = hung.at("no\nwhere/out");
    let told = |output: &Path, options: &[&str], code| {
        let Ended { code: ended, error, .. } = convert(&image, output, options);
        assert_eq!(ended, Some(code), "{error}");
        let line = error.strip_prefix("kiln-rootfs: ").unwrap_or_else(|| panic!("{error}"));
        let line = line.strip_suffix('\n').unwrap_or_else(|| panic!("{error}"));
        assert!(!line.contains('\n'), "{error}");
        line.to_owned()
    };
    assert!(told(&nowhere, &[], 1).contains(r"no\nwhere/out: No such file"));
    assert!(told(&out, &["--init", "bo\nth"], 1).contains(r#"not "bo\nth""#));
    let unknown = "unexpected argument '--unknown' found; --help tells more";
    assert_eq!(told(&out, &["--unknown"], 2), unknown);
    let format = told(&out, &["--format", "zip"], 2);
    assert!(format.ends_with("[possible values: ext4, tar]; --help tells more"), "{format}");
    assert!(told(&out, &["--size", "large"], 2).contains("write a whole number with K, M"));
    let missing = run(["--quiet"]);
    assert_eq!((missing.code, missing.error.lines().count()), (Some(2), 1), "{}", missing.error);
}

/// All is there, so nobody has to hear of it.
fn whoever_listens_may_leave() {
    let hung = picture().hang();
    let script = r#""$@" | true; "$@" >/dev/full"#;
    let mut shell = Command::new("sh");
    let told = ended(
        shell.args(["-c", script, "sh", PATH]).arg(hung.image()).arg("-o").arg(hung.at("out")),
    );
    let words = "kiln-rootfs: all is written, but cannot be told of here: No space left on device \
        (os error 28)\n";
    assert_eq!((told.code, &*told.error), (Some(1), words));
    assert_eq!(hung.beside(), ["out"]);
}

fn metadata() {
    let hung = picture().hang();
    let (out, metadata) = (hung.at("out"), hung.at("metadata"));
    converted(&hung.image(), &out, &["--metadata", metadata.to_str().unwrap()]);
    let told: Value = serde_json::from_slice(&fs::read(&metadata).unwrap()).unwrap();
    assert_eq!(told["digest"], digest(&out));
    assert_eq!(told["size"], fs::metadata(&out).unwrap().len());
    assert_eq!(told["ext4"]["size"], told["size"]);
    assert_eq!(told["config"]["config"]["Cmd"][0], "/bin/sh");
    assert_eq!(told["source"]["layers"][0]["compression"], "gzip");
    for same in [out.clone(), hung.at("./out"), hung.at("image/../out")] {
        let twice = convert(&hung.image(), &out, &["--metadata", same.to_str().unwrap()]);
        let words =
            format!("kiln-rootfs: the output and the metadata cannot both be {}\n", same.display());
        assert_eq!((twice.code, twice.error), (Some(1), words));
    }
    // What cannot be written is told before anything is.
    let nowhere = hung.at("nowhere/metadata");
    let new = hung.at("new");
    let refused = convert(&hung.image(), &new, &["--metadata", nowhere.to_str().unwrap()]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.error.starts_with("kiln-rootfs: cannot write "), "{}", refused.error);
    assert_eq!(hung.beside(), ["metadata", "out"]);
}

fn spool() {
    let hung = picture().hang();
    let nowhere = hung.at("nowhere");
    let nowhere = ["--spool", nowhere.to_str().unwrap()];
    let refused = convert(&hung.image(), &hung.at("out"), &nowhere);
    let words = "kiln-rootfs: cannot read the image's layers: cannot make a place for what is \
        inflated: No such file or directory (os error 2)";
    assert_eq!(refused.code, Some(1));
    assert!(refused.error.starts_with(words), "{}", refused.error);
    let spool = hung.at("spool");
    fs::create_dir(&spool).unwrap();
    converted(&hung.image(), &hung.at("out"), &["--spool", spool.to_str().unwrap()]);
    assert_eq!(fs::read_dir(spool).unwrap().count(), 0);
}

fn format_and_compress() {
    let hung = picture().hang();
    let (bare, packed) = (hung.at("bare"), hung.at("packed"));
    for format in ["ext4", "tar"] {
        converted(&hung.image(), &bare, &["--format", format]);
        let expected = fs::read(&bare).unwrap();
        let is_ext4 = expected.get(1080..1082) == Some(b"\x53\xef");
        assert_eq!(is_ext4, format == "ext4");
        for compress in ["gzip", "zstd"] {
            converted(&hung.image(), &packed, &["--format", format, "--compress", compress]);
            let packed = fs::read(&packed).unwrap();
            let mut unpacked = Vec::new();
            if compress == "gzip" {
                flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
            } else {
                unpacked = zstd::decode_all(&packed[..]).unwrap();
            }
            assert!(unpacked == expected, "{format} {compress}");
        }
    }
    for option in ["--size=1M", "--free=5%", "--label=name", "--size-limit=1M"] {
        let refused = convert(&hung.image(), &bare, &["--format", "tar", option]);
        let (name, _) = option.split_once('=').unwrap();
        let words = format!(
            "kiln-rootfs: {name} is for an ext4: a tar has neither a size of its own nor a label\n"
        );
        assert_eq!((refused.code, refused.error), (Some(1), words));
    }
}

fn name_and_platform() {
    let mut layout = Layout::default();
    for (name, architecture) in [("one", "amd64"), ("two", "arm64"), ("three", "amd64")] {
        let layer = Forge::default().member(b'0', name, "", 0o644, b"").end();
        layout.image(name, architecture, &[layer], Compression::Zstd);
    }
    let hung: Hung = picture().hang();
    fs::remove_dir_all(hung.image()).unwrap();
    layout.write(&hung.image());
    let out = hung.at("out");
    let named = |options: &[&str]| {
        converted(&hung.image(), &out, &[&["--format", "tar"], options].concat());
        Reading::of_tar(&out)
    };
    assert!(named(&["--platform", "linux/arm64"]).find("/two").is_some());
    assert!(named(&["--platform", "linux/amd64", "--name", "three"]).find("/three").is_some());
    let several = convert(&hung.image(), &out, &["--platform", "linux/amd64"]);
    let words = "kiln-rootfs: cannot open the image: several images are there, name one of them: \
        one (linux/amd64), three (linux/amd64)\n";
    assert_eq!((several.code, &*several.error), (Some(1), words));
}
