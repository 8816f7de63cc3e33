//! Images that are whole, and those that are not: what is said of each.

use std::{fs, path::Path};

use kiln_forge::Forge;
use kiln_rootfs::{Compression, Digest, Image, LayerError, LayersError, Limits, OpenError, Wanted};
use serde_json::json;

use crate::{
    converted::{Refused, image, wanted},
    layout::{CONFIG, LAYER, Layout, MANIFEST, config, write_tar},
    whiteouts::tar,
};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("images::directories_and_tars_are_read_alike", directories_and_tars_are_read_alike),
    ("images::a_platform_or_a_name_chooses", a_platform_or_a_name_chooses),
    ("images::of_several_images_one_has_to_be_named", of_several_images_one_has_to_be_named),
    ("images::indexes_may_stand_in_indexes", indexes_may_stand_in_indexes),
    ("images::what_is_no_image_is_told", what_is_no_image_is_told),
    ("images::what_is_missing_or_changed_is_told", what_is_missing_or_changed_is_told),
    (
        "images::a_byte_that_changed_is_a_digest_that_does_not_fit",
        a_byte_that_changed_is_a_digest_that_does_not_fit,
    ),
    (
        "images::a_tar_that_is_not_the_configurations_is_told",
        a_tar_that_is_not_the_configurations_is_told,
    ),
    ("images::links_do_not_lead_out_of_a_layout", links_do_not_lead_out_of_a_layout),
    ("images::dockers_archives_are_chosen_from_by_tag", dockers_archives_are_chosen_from_by_tag),
];

fn layers() -> Vec<Vec<u8>> {
    vec![tar(&["a/", "a/b: text"]), tar(&["a/.wh.b", "c"])]
}

fn open(path: &Path, name: Option<&str>) -> Result<Image, OpenError> {
    Image::open(path, &Wanted { name: name.map(str::to_owned), ..wanted() })
}

/// As `write` leaves a layout, changed.
fn refused(change: impl FnOnce(&mut Layout)) -> OpenError {
    let directory = tempfile::tempdir().unwrap();
    let mut layout = Layout::of(&layers(), Compression::Gzip);
    change(&mut layout);
    layout.write(directory.path());
    open(directory.path(), None).unwrap_err()
}

fn directories_and_tars_are_read_alike() {
    let base = tempfile::tempdir().unwrap();
    let at = |name: &str| base.path().join(name);
    let layout = Layout::of(&layers(), Compression::Gzip);
    layout.write(&at("directory"));
    layout.write_tar(&at("oci.tar"));
    docker(&at("docker.tar"), &["kiln:1"]);
    Layout::of(&layers(), Compression::Plain).write_tar(&at("plain.tar"));
    let expected = image(&at("directory"), &Limits::default()).unwrap().reading();
    for name in ["directory", "oci.tar", "plain.tar", "docker.tar"] {
        let converted = image(&at(name), &Limits::default()).unwrap();
        assert_eq!(converted.paths(), ["a/", "c"], "{name}");
        assert_eq!(converted.reading(), expected, "{name}");
        let opened = open(&at(name), None).unwrap();
        assert_eq!(opened.manifest.is_some(), name != "docker.tar");
        assert_eq!(Digest::of(&opened.config.raw), opened.config.digest);
    }
}

/// An archive as older dockers make it: a layer that is there twice is a link.
fn docker(path: &Path, tags: &[&str]) {
    let all = layers();
    let config = serde_json::to_vec(&config("amd64", &[&all[..], &all[1..]].concat())).unwrap();
    let name = format!("{}.json", Digest::of(&config).hex());
    let list = json!([{
        "Config": name, "RepoTags": tags, "Layers": ["1/layer.tar", "2/layer.tar", "3/layer.tar"],
    }]);
    let archive = Forge::default()
        .member(b'5', "1/", "", 0o755, b"")
        .member(b'0', "1/layer.tar", "", 0o644, &all[0])
        .member(b'0', "2/layer.tar", "", 0o644, &all[1])
        .member(b'2', "3/layer.tar", "../2/layer.tar", 0o777, b"")
        .member(b'0', &name, "", 0o644, &config)
        .member(b'0', "manifest.json", "", 0o644, &serde_json::to_vec(&list).unwrap())
        .end();
    fs::write(path, archive).unwrap();
}

fn a_platform_or_a_name_chooses() {
    let directory = tempfile::tempdir().unwrap();
    let mut layout = Layout::default();
    layout.image("one", "amd64", &[tar(&["amd64"])], Compression::Gzip);
    layout.image("two", "arm64", &[tar(&["arm64"])], Compression::Zstd);
    layout.write(directory.path());
    let platform = |text: &str, name: Option<&str>| {
        let wanted = Wanted { platform: text.parse().unwrap(), name: name.map(str::to_owned) };
        Image::open(directory.path(), &wanted)
    };
    assert_eq!(
        platform("linux/arm64/v8", None).unwrap().config.platform.to_string(),
        "linux/arm64"
    );
    let wrong = platform("linux/riscv64", None).unwrap_err();
    assert_eq!(wrong.to_string(), "no image for linux/riscv64: there is linux/amd64, linux/arm64");
    let wrong = platform("linux/amd64", Some("two")).unwrap_err();
    assert_eq!(wrong.to_string(), "no image for linux/amd64: there is linux/arm64");
    let wrong = platform("linux/amd64", Some("three")).unwrap_err();
    assert_eq!(wrong.to_string(), "no image is called \"three\": there is one, two");
}

fn of_several_images_one_has_to_be_named() {
    let directory = tempfile::tempdir().unwrap();
    let mut layout = Layout::default();
    layout.image("one", "amd64", &[tar(&["one"])], Compression::Gzip);
    layout.image("two", "amd64", &[tar(&["two"])], Compression::Gzip);
    layout.image("same", "amd64", &[tar(&["two"])], Compression::Gzip);
    layout.write(directory.path());
    let ambiguous = open(directory.path(), None).unwrap_err();
    assert_eq!(
        ambiguous.to_string(),
        "several images are there, name one of them: one (linux/amd64), same (linux/amd64), \
         two (linux/amd64)"
    );
    assert!(open(directory.path(), Some("two")).is_ok());
}

fn indexes_may_stand_in_indexes() {
    let directory = tempfile::tempdir().unwrap();
    let mut layout = Layout::of(&layers(), Compression::Gzip);
    let attestation = layout.json(MANIFEST, &json!({ "config": {}, "layers": [] }));
    let mut attestation = attestation;
    attestation["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    // Another platform's manifest need not be there.
    let digest = Digest::of(b"elsewhere").to_string();
    let absent = json!({ "mediaType": MANIFEST, "digest": digest, "size": 9,
        "platform": { "os": "linux", "architecture": "s390x" } });
    let mut inner = std::mem::take(&mut layout.manifests);
    inner.extend([attestation, absent]);
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = layout.json(kind, &json!({ "schemaVersion": 2, "manifests": inner }));
    layout.manifests.push(index);
    layout.write(directory.path());
    assert!(open(directory.path(), None).is_ok());
    for _ in 0..4 {
        let inner = std::mem::take(&mut layout.manifests);
        let index = layout.json(kind, &json!({ "schemaVersion": 2, "manifests": inner }));
        layout.manifests.push(index);
    }
    layout.write(directory.path());
    let deep = open(directory.path(), None).unwrap_err();
    assert_eq!(deep.to_string(), "the index: indexes stand too deep in each other");
}

fn what_is_no_image_is_told() {
    let base = tempfile::tempdir().unwrap();
    let file = base.path().join("file");
    for bytes in [&b""[..], b"text", &[0; 4096], &tar(&["a", "b"])] {
        fs::write(&file, bytes).unwrap();
        assert!(matches!(open(&file, None), Err(OpenError::NotAnImage)));
    }
    assert!(matches!(open(base.path(), None), Err(OpenError::NotAnImage)));
    assert!(matches!(open(&base.path().join("none"), None), Err(OpenError::Io(_))));
    assert!(matches!(open(Path::new("/dev/null"), None), Err(OpenError::NotAnImage)));
    let fifo = base.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    assert!(matches!(open(&fifo, None), Err(OpenError::NotAnImage)));
}

fn what_is_missing_or_changed_is_told() {
    let missing = refused(|layout| drop(layout.blobs.remove(1)));
    let shown = missing.to_string();
    assert!(shown.starts_with("layer 1 of 2 (sha256:"), "{shown}");
    assert!(shown.ends_with(") is missing in the image"), "{shown}");
    assert!(matches!(refused(|layout| drop(layout.blobs.remove(0))), OpenError::Missing { .. }));
    let disagree = refused(|layout| {
        let config = layout.json(CONFIG, &config("amd64", &layers()[..1]));
        let manifest = json!({ "config": config, "layers": [] });
        layout.manifests = vec![layout.json(MANIFEST, &manifest)];
    });
    assert!(matches!(disagree, OpenError::LayersDisagree { layers: 0, diffs: 1 }), "{disagree}");
    let encrypted = refused(|layout| {
        let config = layout.json(CONFIG, &config("amd64", &layers()[..1]));
        let layer = layout.blob(&format!("{LAYER}+gzip+encrypted"), vec![1, 2, 3]);
        let manifest = json!({ "config": config, "layers": [layer] });
        layout.manifests = vec![layout.json(MANIFEST, &manifest)];
    });
    assert!(matches!(encrypted, OpenError::MediaType { .. }), "{encrypted}");
    let other = refused(|layout| {
        layout.manifests[0]["platform"]["architecture"] = json!("arm64");
    });
    assert!(matches!(other, OpenError::WrongPlatform { .. }), "{other}");
    let digest = refused(|layout| layout.manifests[0]["digest"] = json!("sha512:00"));
    assert_eq!(
        digest.to_string(),
        "the manifest: its digest is not one that is taken: only sha256 is"
    );
    let size = refused(|layout| layout.manifests[0]["size"] = json!(1));
    assert!(matches!(size, OpenError::SizeMismatch { expected: 1, .. }), "{size}");
    let huge = refused(|layout| layout.manifests[0]["size"] = json!(1_u64 << 40));
    assert!(matches!(huge, OpenError::TooLong { .. }), "{huge}");
    let many = refused(|layout| {
        let descriptors: Vec<_> = (0..257)
            .map(|_| {
                json!({
                    "mediaType": LAYER, "digest": Digest::of(b"").to_string(), "size": 0,
                })
            })
            .collect();
        let config = layout.json(CONFIG, &config("amd64", &vec![Vec::new(); 257]));
        let manifest = json!({ "config": config, "layers": descriptors });
        layout.manifests = vec![layout.json(MANIFEST, &manifest)];
    });
    assert!(matches!(many, OpenError::TooManyLayers { count: 257, limit: 256 }), "{many}");
}

/// Every byte of every blob, in steps, in every compression.
fn a_byte_that_changed_is_a_digest_that_does_not_fit() {
    for compression in [Compression::Plain, Compression::Gzip, Compression::Zstd] {
        let whole = Layout::of(&layers(), compression);
        for number in 0..whole.blobs.len() {
            for at in (0..whole.blobs[number].len()).step_by(97) {
                let base = tempfile::tempdir().unwrap();
                let path = base.path().join("image.tar");
                let mut files = whole.files();
                files[2 + number].1[at] ^= 0x20;
                write_tar(&path, &files);
                match image(&path, &Limits::default()) {
                    Err(
                        Refused::Open(OpenError::DigestMismatch { .. })
                        | Refused::Layers(LayersError::Layer {
                            source:
                                LayerError::DigestMismatch { .. } | LayerError::DiffMismatch { .. },
                            ..
                        }),
                    ) => {}
                    other => panic!("{compression} {number} {at}: {other:?}"),
                }
            }
        }
    }
}

fn a_tar_that_is_not_the_configurations_is_told() {
    let base = tempfile::tempdir().unwrap();
    let mut layout = Layout::default();
    let other = vec![crate::layout::pack(&tar(&["other"]), Compression::Gzip)];
    layout.packed("latest", "amd64", &[tar(&["a"])], other);
    layout.write(base.path());
    let refused = image(base.path(), &Limits::default()).unwrap_err();
    assert_eq!(refused.to_string(), "layer 1 of 1");
    assert!(
        matches!(
            refused,
            Refused::Layers(LayersError::Layer { source: LayerError::DiffMismatch { .. }, .. })
        ),
        "{refused:?}"
    );
    // With digests that fit, what is in it counts.
    for tar in [b"no tar at all".to_vec(), Vec::new(), tar(&["a"])[..700].to_vec()] {
        let mut layout = Layout::default();
        layout.image("latest", "amd64", &[tar], Compression::Gzip);
        let base = tempfile::tempdir().unwrap();
        layout.write(base.path());
        let refused = image(base.path(), &Limits::default()).unwrap_err();
        assert!(
            matches!(
                refused,
                Refused::Layers(LayersError::Layer { source: LayerError::Archive(_), .. })
            ),
            "{refused:?}"
        );
    }
}

fn links_do_not_lead_out_of_a_layout() {
    let base = tempfile::tempdir().unwrap();
    let layout = Layout::of(&layers(), Compression::Gzip);
    layout.write(&base.path().join("real"));
    let planted = base.path().join("planted");
    fs::create_dir_all(planted.join("blobs")).unwrap();
    std::os::unix::fs::symlink("../../real/blobs/sha256", planted.join("blobs/sha256")).unwrap();
    for name in ["oci-layout", "index.json"] {
        fs::copy(base.path().join("real").join(name), planted.join(name)).unwrap();
    }
    assert!(matches!(open(&planted, None), Err(OpenError::Io(_))));
    // One that stays in it is as good as what it leads to.
    let inside = base.path().join("real/blobs");
    fs::rename(inside.join("sha256"), inside.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", inside.join("sha256")).unwrap();
    assert!(open(&base.path().join("real"), None).is_ok());
}

fn dockers_archives_are_chosen_from_by_tag() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("docker.tar");
    docker(&path, &["kiln:1", "kiln:latest"]);
    assert!(open(&path, Some("kiln:1")).is_ok());
    let missing = open(&path, Some("kiln:2")).unwrap_err();
    assert_eq!(missing.to_string(), "no image is called \"kiln:2\": there is kiln:1, kiln:latest");
    let arm = Wanted { platform: "linux/arm64".parse().unwrap(), name: None };
    let wrong = Image::open(&path, &arm).unwrap_err();
    assert_eq!(wrong.to_string(), "no image for linux/arm64: there is linux/amd64");
}
