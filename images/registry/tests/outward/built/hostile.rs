//! Disks that lie: each is refused as the guest's fault, in words, and nothing of it stays.

use kiln_registry::{
    digest::Digest,
    manifest::media,
    operate::{Fault, IngestError},
};
use serde_json::{Value, json};

use super::given::{exported, maker};
use crate::{
    stage::{Stage, TENANT},
    tars::{Tar, descriptor, image, image_for, index, layer, link, of},
};

async fn left(stage: &Stage, words: &str) {
    let usage = stage.store.usage(TENANT).await.unwrap();
    assert_eq!((usage.stored, usage.in_flight), (0, 0), "{words}");
    assert!(!stage.images.has_build(&maker()).await.unwrap(), "{words}");
    let checked = stage.store.check(true).await.unwrap();
    assert_eq!((checked.blobs, checked.problems), (0, Vec::new()), "{words}");
}

async fn refused(tar: &[u8], words: &str) {
    let stage = Stage::new();
    let error = stage.ingest(tar).await.expect_err(words);
    let chain =
        std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    let told = chain.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    assert!(told.contains(words), "{told}");
    assert_eq!(error.fault(), Fault::Content, "{told}");
    left(&stage, words).await;
}

/// A layout whose index names this.
fn naming(tar: Tar, entries: &[Value]) -> Vec<u8> {
    tar.layout(&index(entries)).bytes()
}

#[tokio::test]
async fn what_is_no_layout() {
    refused(b"", "too short").await;
    refused(&[0; 1024], "index.json is missing").await;
    refused(&image("app", 1).saved(&["local/app:1"]).bytes(), "index.json is missing").await;
    refused(&Tar::default().file("index.json", "{}").bytes(), "oci-layout is named").await;
    refused(&naming(Tar::default(), &[]), "neither an OCI layout").await;
    let other = Tar::default().file("oci-layout", r#"{"imageLayoutVersion":"2.0.0"}"#);
    refused(&other.file("index.json", index(&[]).to_string()).bytes(), "imageLayoutVersion").await;
}

#[tokio::test]
async fn digests_and_sizes_that_are_not_so() {
    for at in 0..3 {
        let mut tar = image("app", 2).layout(None);
        tar.0[at].1[17] ^= 1;
        refused(&tar.bytes(), "is not what its name says").await;
    }
    // A large one, hashed beside.
    let large = layer("large", 300_000);
    let mut tar = image("app", 1).onto(Tar::default().blob(&large));
    tar.0[0].1[250_000] ^= 1;
    refused(&naming(tar, &[image("app", 1).entry(None)]), "is not what its name says").await;
    let app = image("app", 1);
    let mut entry = app.entry(None);
    entry["size"] = json!(app.manifest.to_string().len() + 1);
    refused(&naming(app.onto(Tar::default()), &[entry]), "bytes").await;
    let mut manifest = app.manifest.clone();
    manifest["layers"][0]["size"] = json!(1);
    let tar = app.onto(Tar::default()).json(&manifest);
    refused(&naming(tar, &[of(media::OCI_MANIFEST, &manifest)]), "bytes, not the 1").await;
    // Named twice, the second time with another size.
    let first = manifest["layers"][0].clone();
    manifest["layers"] = json!([app.manifest["layers"][0], first]);
    let tar = app.onto(Tar::default()).json(&manifest);
    refused(&naming(tar, &[of(media::OCI_MANIFEST, &manifest)]), "bytes, not the 1").await;
}

#[tokio::test]
async fn what_breaks_off_anywhere() {
    let (stage, bytes) = (Stage::new(), exported("app", 2).bytes());
    for length in (0..bytes.len() - 1024).step_by(bytes.len() / 29) {
        let error = stage.ingest(&bytes[..length]).await.expect_err("it is cut");
        assert_eq!(error.fault(), Fault::Content, "{length}: {error}");
        left(&stage, "cut").await;
    }
    stage.ingest(&bytes).await.unwrap();
}

#[tokio::test]
async fn a_length_beyond_the_disk() {
    let stage = Stage::new();
    let disk = tempfile::tempfile().unwrap();
    disk.set_len(100).unwrap();
    let error = stage.images.ingest_build(&maker(), disk, 101).await.unwrap_err();
    assert!(matches!(error, IngestError::TooLong { length: 101, disk_bytes: 100 }), "{error}");
    assert_eq!(error.fault(), Fault::Content);
}

#[tokio::test]
async fn anything_twice() {
    let app = image("app", 1);
    let twice = app.onto(Tar::default()).blob(&app.layers[0]);
    refused(&naming(twice, &[app.entry(None)]), "is in the tar twice").await;
    let mut other = app.onto(Tar::default());
    let (path, content) = other.0[0].clone();
    other.0.push((path, vec![b'x'; content.len()]));
    refused(&naming(other, &[app.entry(None)]), "is in the tar twice").await;
    let second = app.layout(None).file("index.json", index(&[app.entry(None)]).to_string());
    refused(&second.bytes(), "is in the tar twice").await;
}

#[tokio::test]
async fn links_devices_and_sparse_files() {
    let path = format!("blobs/sha256/{}", Digest::of(b"x").hex());
    let mut linked = link(&path, "/etc/passwd");
    linked.extend(image("app", 1).layout(None).bytes());
    refused(&linked, "is a link").await;
    for kind in [b'3', b'4', b'6', b'S', b'M'] {
        let mut header = tar::Header::new_gnu();
        header.set_path(&path).unwrap();
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(0);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend(image("app", 1).layout(None).bytes());
        refused(&bytes, "devices or sparse files").await;
    }
}

#[tokio::test]
async fn something_that_is_not_there() {
    let app = image("app", 2);
    for gone in [&app.layers[1][..], app.config.to_string().as_bytes()] {
        refused(&app.layout(None).without(gone).bytes(), "not in the tar").await;
    }
    let manifest = app.manifest.to_string();
    refused(&app.layout(None).without(manifest.as_bytes()).bytes(), "not in the tar").await;
    let exported = exported("app", 1);
    let entry = exported.entry();
    let part = exported.tar.0.iter().position(|(_, content)| content.starts_with(b"{\"config\""));
    let mut tar = exported.tar.clone();
    tar.0.remove(part.expect("a manifest"));
    refused(&naming(tar, &[entry]), "not in the tar").await;
}

#[tokio::test]
async fn more_than_one_image() {
    let (one, other) = (image("one", 1), image("other", 1));
    let tar = other.onto(one.onto(Tar::default()));
    refused(&naming(tar, &[one.entry(None), other.entry(None)]), "holds 2 images").await;
}

#[tokio::test]
async fn a_platform_that_is_another() {
    let app = image_for("app", 1, "arm64");
    let entries = |platform: Value| {
        let mut entry = app.entry(None);
        entry["platform"] = platform;
        index(&[entry])
    };
    let amd64 = entries(json!({"os": "linux", "architecture": "amd64"}));
    let tar = app.onto(Tar::default()).json(&amd64);
    let words = "is for linux/arm64, and not for linux/amd64";
    refused(&naming(tar, &[of(media::OCI_INDEX, &amd64)]), words).await;
    // The same manifest once more, as something else.
    let mut both = index(&[app.entry(None), amd64["manifests"][0].clone()]);
    both["manifests"][0]["platform"] = json!({"os": "linux", "architecture": "arm64"});
    let tar = app.onto(Tar::default()).json(&both);
    refused(&naming(tar, &[of(media::OCI_INDEX, &both)]), words).await;
    let none = json!({"rootfs": {"type": "layers", "diff_ids": []}});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST,
        "config": of(media::OCI_CONFIG, &none), "layers": [],
    });
    let tar = Tar::default().json(&none).json(&manifest);
    refused(&naming(tar, &[of(media::OCI_MANIFEST, &manifest)]), "does not say which platform")
        .await;
    let mut fewer = app.manifest.clone();
    fewer["layers"] = json!([]);
    let tar = app.onto(Tar::default()).json(&fewer);
    refused(&naming(tar, &[of(media::OCI_MANIFEST, &fewer)]), "has 0 layers").await;
}

#[tokio::test]
async fn what_is_said_of_nobody() {
    let exported = exported("app", 1);
    let mut lying = exported.index.clone();
    lying["manifests"][1]["annotations"]["vnd.docker.reference.digest"] =
        json!(Digest::of(b"nobody"));
    let tar = exported.tar.json(&lying);
    let entry = of(media::OCI_INDEX, &lying);
    refused(&naming(tar, &[entry]), "of an image that is not there").await;
    let only = index(&[exported.index["manifests"][1].clone()]);
    let tar = super::given::exported("app", 1).tar.json(&only);
    refused(&naming(tar, &[of(media::OCI_INDEX, &only)]), "no image of any platform").await;
}

#[tokio::test]
async fn indexes_in_indexes() {
    let app = image("app", 1);
    let (mut tar, mut entry) = (app.onto(Tar::default()), app.entry(None));
    for _ in 0..3 {
        let outer = index(&[entry.clone(), entry]);
        tar = tar.json(&outer);
        entry = of(media::OCI_INDEX, &outer);
    }
    let built = Stage::new().ingest(&naming(tar.clone(), &[entry.clone()])).await.unwrap();
    assert_eq!(built.images.len(), 1);
    for _ in 0..4 {
        let outer = index(&[entry]);
        tar = tar.json(&outer);
        entry = of(media::OCI_INDEX, &outer);
    }
    refused(&naming(tar, &[entry]), "deeper than 4 levels").await;
}

#[tokio::test]
async fn eight_thousand_layers() {
    let (mut layers, mut tar, mut diffs) = (Vec::new(), Tar::default(), Vec::new());
    for number in 0..8000_u32 {
        let content = number.to_le_bytes();
        layers.push(descriptor(media::OCI_LAYER, &content));
        diffs.push(Digest::of(&content).to_string());
        tar = tar.blob(&content);
    }
    let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": diffs}});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST,
        "config": of(media::OCI_CONFIG, &config), "layers": layers,
    });
    let tar = tar.json(&config).json(&manifest);
    refused(&naming(tar, &[of(media::OCI_MANIFEST, &manifest)]), "too many").await;
}

#[tokio::test]
async fn documents_that_are_too_large() {
    let huge = Tar::default().file("oci-layout", "{}").file("index.json", vec![b' '; 5 << 20]);
    refused(&huge.bytes(), "at most 4194304").await;
    let mut manifest = image("app", 1).manifest.to_string().into_bytes();
    manifest.resize(5 << 20, b' ');
    let tar = image("app", 1).onto(Tar::default()).blob(&manifest);
    refused(&naming(tar, &[descriptor(media::OCI_MANIFEST, &manifest)]), "at most 4194304").await;
    let many = Value::Array(vec![image("app", 1).entry(None); 5000]);
    let many = json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": many});
    refused(&Tar::default().layout(&many).bytes(), "too many").await;
}

#[tokio::test]
async fn more_blobs_than_are_taken() {
    let blobs = |count: usize| {
        let blobs = (0..count).map(|number| number.to_string().into_bytes());
        blobs.fold(Tar::default(), |tar, blob| tar.blob(&blob)).bytes()
    };
    // As many as are taken make no image either.
    refused(&blobs(8192), "index.json is missing").await;
    refused(&blobs(8193), "more than 8192 blobs").await;
}
