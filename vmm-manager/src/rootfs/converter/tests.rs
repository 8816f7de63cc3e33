//! A guest that lies, and one that does not.

use std::{env, fs, path::Path};

use super::*;
use crate::{
    job::{BootRecord, RootfsRecord, rootfs::MadeRootfs},
    rootfs::{metadata, samples},
};

const DISK: u64 = 1 << 30;

fn honest() -> serde_json::Value {
    let digest = format!("sha256:{}", "a".repeat(64));
    serde_json::json!({
        "version": 1, "digest": digest, "size": 4096, "format": "ext4", "compression": "none",
        "ext4": {"uuid": "b0a10109-963e-8692-9f8e-e91866ef2797", "size": 4096, "used": 4000, "free": 96,
            "inodes": 9, "free_inodes": 1},
        "source": {"manifest": digest, "config": digest, "platform": "linux/amd64", "layers": []},
        "config": {"a": [1, 2]}, "init": null, "optimised": [{"name": "apt", "bytes": 7, "names": 1,
            "places": []}, {"name": "logs", "bytes": 5, "names": 1, "places": []}],
        "hardened": {"removed": [{"paths": ["/a"]}, 1], "spared": [], "unread": 0},
        "left_out": {}, "kernel": {"filesystems": ["ext4"], "arguments": ["init=/.kiln/init"]}
    })
}

fn told(change: impl FnOnce(&mut serde_json::Value)) -> Result<Claim, ClaimError> {
    let mut document = honest();
    change(&mut document);
    read(document.to_string().as_bytes(), DISK)
}

#[test]
fn what_is_known_is_kept() {
    let claim = told(|_| {}).unwrap();
    assert_eq!(claim.size, 4096);
    let Converted { platform, used_bytes, freed_bytes, secrets_removed, .. } = &claim.converted;
    assert_eq!((platform.as_str(), *used_bytes), ("linux/amd64", 4000));
    assert_eq!((*freed_bytes, *secrets_removed), (12, 2));
    assert_eq!(claim.converted.init(), "/.kiln/init");
    let tar = told(|document| {
        let document = document.as_object_mut().unwrap();
        for name in ["ext4", "optimised", "hardened"] {
            document.remove(name);
        }
    });
    assert_eq!(tar.unwrap().converted.uuid, "");
}

#[test]
fn a_lie_is_none() {
    let check = |pointer: &str, value: serde_json::Value, words: &str| {
        let error = told(|document| *document.pointer_mut(pointer).unwrap() = value).unwrap_err();
        assert!(error.to_string().contains(words), "{pointer}: {error}");
    };
    check("/version", 2.into(), "version 2");
    check("/size", (DISK + 1).into(), "room");
    check("/size", 0.into(), "0 bytes");
    check("/size", (-1).into(), "converter writes");
    check("/size", "4096".into(), "converter writes");
    check("/digest", "sha256:00".into(), "digest");
    check("/source/config", "x".into(), "source.config");
    check("/source/manifest", "x".into(), "source.manifest");
    check("/source/platform", "linux\n".into(), "source.platform");
    check("/ext4/uuid", "x".repeat(1000).into(), "ext4.uuid");
    check("/ext4", vec![1].into(), "converter writes");
    check("/kernel/arguments", vec!["a"; 17].into(), "kernel.arguments");
    check("/kernel/arguments", vec!["a\nb"].into(), "kernel.arguments");
    check("/kernel/arguments", vec!["x".repeat(20_000)].into(), "kernel.arguments");
    check("/kernel", serde_json::Value::Null, "converter writes");
    check("/hardened/removed", "many".into(), "converter writes");
}

#[test]
fn no_bytes_are_a_panic_or_more_than_they_are() {
    let deep = "[".repeat(16 << 20);
    assert!(read(deep.as_bytes(), DISK).is_err());
    let within = honest().to_string().replace(r#"{"a":[1,2]}"#, &"[".repeat(1 << 20));
    assert!(read(within.as_bytes(), DISK).is_err());
    let many = format!("[{}1]", "1,".repeat(4 << 20));
    let within = honest().to_string().replace(r#"[{"paths":["/a"]},1]"#, &many);
    assert_eq!(read(within.as_bytes(), DISK).unwrap().converted.secrets_removed, (4 << 20) + 1);
    for bytes in [&b""[..], b"\xff", b"{}", b"null", b"[]", b"{\"version\":1}"] {
        assert!(read(bytes, DISK).is_err());
    }
    let twice = honest().to_string().replacen('{', r#"{"size":1,"#, 1);
    assert!(read(twice.as_bytes(), DISK).is_err(), "a field that stands twice is neither");
    let behind = format!("{} {{}}", honest());
    assert!(read(behind.as_bytes(), DISK).is_err());
}

#[test]
fn what_nobody_looks_at_is_not_deep_either() {
    // The document itself and `config` are two.
    let nested = |depth: usize| {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        honest().to_string().replace("[1,2]", &nested)
    };
    let read = |text: &str| read(text.as_bytes(), DISK);
    assert!(read(&nested(62)).is_ok());
    for depth in [63, 1 << 20] {
        assert!(matches!(read(&nested(depth)), Err(ClaimError::Depth)));
    }
    let words = serde_json::json!("[{".repeat(100) + "\\\"" + &"[{".repeat(100));
    assert!(told(|document| document["config"]["a"] = words).is_ok(), "a text has no depth");
    let row = format!("[{}[]]", "[],".repeat(1000));
    assert!(read(&honest().to_string().replace("[1,2]", &row)).is_ok(), "a row is not deep");
}

#[test]
fn an_init_that_is_no_path_is_none() {
    let check = |words: &[&str], expected: &str| {
        let kernel_arguments = words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(Converted { kernel_arguments, ..Converted::default() }.init(), expected);
    };
    check(&[], "");
    check(&["quiet", "init=/a"], "/a");
    check(&["init=a"], "");
}

/// What the fuzz target `converted` knows: `KILN_BLESS=1` writes the cases by hand.
#[test]
fn of_the_corpus_what_is_read_makes_a_document() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/converted");
    if env::var_os("KILN_BLESS").is_some() {
        fs::create_dir_all(&directory).unwrap();
        for (name, bytes) in by_hand() {
            fs::write(directory.join(name), bytes).unwrap();
        }
    }
    let (mut cases, mut told) = (0, 0);
    for entry in fs::read_dir(directory).unwrap() {
        let said = fs::read(entry.unwrap().path()).unwrap();
        cases += 1;
        let Ok(Claim { size, digest, converted }) = read(&said, DISK) else { continue };
        let made = MadeRootfs { digest: digest.to_string(), size_bytes: size, converted };
        let (record, boot) = (RootfsRecord::default(), BootRecord::default());
        metadata::document(&samples::rootfs(), &record, &made, &boot, &said).unwrap();
        told += 1;
    }
    assert!(cases >= by_hand().len() && told >= 2, "{told} of {cases}");
}

fn by_hand() -> Vec<(&'static str, Vec<u8>)> {
    let text = honest().to_string();
    let without = |name: &str| {
        let mut document = honest();
        document.as_object_mut().unwrap().remove(name);
        document.to_string()
    };
    let cases = [
        ("honest", text.clone()),
        ("tar", without("ext4")),
        ("no-kernel", without("kernel")),
        ("cut", text[..text.len() / 2].to_owned()),
        ("deep", text.replace(r#"{"a":[1,2]}"#, &"[".repeat(70))),
        ("escaped", text.replace("linux", r"\u006cinu\u0078")),
        ("empty", String::new()),
    ];
    cases.map(|(name, text)| (name, text.into_bytes())).to_vec()
}
