//! Tars that lie: nothing of them is named, and nothing stays.

use kiln_registry::{digest::Digest, manifest::media};
use serde_json::{Value, json};

use crate::{
    stage::{Stage, TENANT},
    tars::{Built, Tar, image, index, layer, link, of},
};

/// Refused in these words; and then nothing is named, and nothing counts for the tenant.
async fn refused(target: Option<&str>, tar: &[u8], words: &str) {
    let stage = Stage::new();
    let error = stage.import(target, tar).await.expect_err("imported");
    let chain =
        std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    let told = chain.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    assert!(told.contains(words), "{told}");
    assert_eq!(stage.names().await, Vec::<String>::new(), "{words}");
    let usage = stage.store.usage(TENANT).await.unwrap();
    assert_eq!((usage.stored, usage.in_flight), (0, 0), "{words}");
}

fn built() -> Built {
    image("app", 2)
}

fn layout() -> Tar {
    built().layout(Some("local/app:1"))
}

/// An image of this manifest.
fn with(manifest: &Value) -> Vec<u8> {
    let entry = {
        let mut entry = of(media::OCI_MANIFEST, manifest);
        entry["annotations"] = json!({"io.containerd.image.name": "app:1"});
        entry
    };
    built().onto(Tar::default()).json(manifest).layout(&index(&[entry])).bytes()
}

#[tokio::test]
async fn what_is_no_tar_of_images() {
    refused(None, b"", "too short").await;
    refused(None, &[b'x'; 4096], "not a tar").await;
    refused(None, &[0; 1024], "neither an OCI layout").await;
    refused(None, &layer("files", 100), "neither an OCI layout").await;
    let mut gzip = b"\x1f\x8b\x08".to_vec();
    gzip.resize(600, 0);
    refused(None, &gzip, "compressed with gzip").await;
    refused(None, &Tar::default().layout(&index(&[])).bytes(), "neither an OCI layout").await;
    refused(None, &Tar::default().file("manifest.json", "[]").bytes(), "neither").await;
    refused(None, &Tar::default().file("manifest.json", "{}").bytes(), "no list of images").await;
    refused(None, &Tar::default().file("index.json", "{}").bytes(), "oci-layout is named").await;
}

#[tokio::test]
async fn bytes_that_are_not_their_name() {
    let mut tar = layout();
    tar.0[0].1[600] ^= 1;
    refused(None, &tar.bytes(), "is not what its name says").await;
    let mut tar = layout();
    tar.0[1].1.push(0);
    refused(None, &tar.bytes(), "is not what its name says").await;
}

#[tokio::test]
async fn a_tar_that_breaks_off_anywhere() {
    let (stage, bytes) = (Stage::new(), layout().bytes());
    for length in (0..bytes.len() - 1024).step_by(bytes.len() / 13) {
        assert!(stage.import(None, &bytes[..length]).await.is_err(), "{length}");
        assert_eq!(stage.names().await, Vec::<String>::new());
        let usage = stage.store.usage(TENANT).await.unwrap();
        assert_eq!((usage.stored, usage.in_flight), (0, 0), "{length}");
    }
    assert!(stage.import(None, &bytes).await.is_ok());
}

#[tokio::test]
async fn something_that_is_not_there() {
    let built = built();
    refused(None, &layout().without(&built.layers[1]).bytes(), "named, but not in the tar").await;
    let config = built.config.to_string();
    refused(None, &layout().without(config.as_bytes()).bytes(), "not in the tar").await;
    let manifest = built.manifest.to_string();
    refused(None, &layout().without(manifest.as_bytes()).bytes(), "not in the tar").await;
    let mut saved = built.saved(&["app:1"]);
    saved.0.retain(|(path, _)| path != "layer0/layer.tar");
    refused(None, &saved.bytes(), "layer0/layer.tar is named").await;
    let mut linked = link("layer0/layer.tar", "../../../../etc/passwd");
    linked.extend(saved.bytes());
    refused(None, &linked, "layer0/layer.tar is named").await;
    let mut looped = link("layer0/layer.tar", "layer.tar");
    looped.extend(saved.bytes());
    refused(None, &looped, "layer0/layer.tar is named").await;
}

#[tokio::test]
async fn another_users_content_is_not_had_by_its_digest() {
    // Somebody else has a layer that the tar only names.
    let (stage, built) = (Stage::new(), built());
    let tar = built.layout(Some("local/app:1"));
    let theirs = stage.images.import("other", None, crate::stage::pieces(&tar.bytes())).await;
    theirs.unwrap();
    let without = tar.without(&built.layers[1]).bytes();
    let error = stage.import(None, &without).await.expect_err("imported");
    assert!(error.to_string().contains("not in the tar"), "{error}");
    assert_eq!(stage.names().await, Vec::<String>::new());
}

#[tokio::test]
async fn manifests_that_lie() {
    let manifest = built().manifest;
    let mut size = manifest.clone();
    size["layers"][0]["size"] = 5.into();
    refused(None, &with(&size), "not the 5 that its manifest says").await;
    let mut both = manifest.clone();
    both["manifests"] = json!([]);
    refused(None, &with(&both), "ambiguous").await;
    let mut sha512 = manifest.clone();
    sha512["layers"][0]["digest"] = format!("sha512:{}", "a".repeat(128)).into();
    refused(None, &with(&sha512), "sha512 is not supported").await;
    let mut many = manifest.clone();
    many["layers"] = vec![manifest["layers"][0].clone(); 10_000].into();
    refused(None, &with(&many), "10000 descriptors are too many").await;
    let entry = {
        let mut entry = of(media::OCI_MANIFEST, &manifest);
        entry["size"] = 7.into();
        entry
    };
    let tar = built().onto(Tar::default()).layout(&index(&[entry]));
    refused(Some("local/app:1"), &tar.bytes(), "and not the 7").await;
    let entry = of(media::OCI_INDEX, &manifest);
    let tar = built().onto(Tar::default()).layout(&index(&[entry]));
    refused(Some("local/app:1"), &tar.bytes(), "but its mediaType is").await;
}

#[tokio::test]
async fn indexes_in_indexes() {
    let built = built();
    let mut tar = built.onto(Tar::default());
    let mut top = built.entry(None);
    for _ in 0..6 {
        let outer = index(&[top]);
        top = of(media::OCI_INDEX, &outer);
        tar = tar.json(&outer);
    }
    refused(Some("local/app:1"), &tar.layout(&index(&[top])).bytes(), "deeper than").await;
}

#[tokio::test]
async fn layers_that_are_not_those_of_the_configuration() {
    let mut other = built();
    other.layers.swap(0, 1);
    refused(None, &other.saved(&["app:1"]).bytes(), "not the one that the image's").await;
    let mut fewer = built();
    fewer.layers.pop();
    refused(None, &fewer.saved(&["app:1"]).bytes(), "another number of layers").await;
    let mut none = built();
    none.config["rootfs"]["diff_ids"] = json!(["x", "y"]);
    refused(None, &none.saved(&["app:1"]).bytes(), "diff_ids are no digests").await;
}

#[tokio::test]
async fn names_that_cannot_be_given() {
    let built = built();
    refused(None, &built.layout(None).bytes(), "say which").await;
    refused(None, &built.layout(Some("12")).bytes(), "say which").await;
    refused(None, &built.layout(Some("registry.example/app:1")).bytes(), "no name of this host's")
        .await;
    refused(None, &built.saved(&["registry.example/app:1"]).bytes(), "no name of this").await;
    refused(None, &built.saved(&["../../app:1"]).bytes(), "no name of this host's").await;
    refused(Some("registry.example/app:1"), &layout().bytes(), "expected local/NAME").await;
    let digest = format!("local/app@{}", Digest::of(b"x"));
    refused(Some(&digest), &layout().bytes(), "has no tag").await;
    let two = image("two", 1);
    let tar = two.onto(built.onto(Tar::default()));
    let tar = tar.layout(&index(&[built.entry(Some("local/a:1")), two.entry(Some("local/b:1"))]));
    refused(Some("local/app:1"), &tar.bytes(), "can't all be local/app:1").await;
    // One good name does not make up for a bad one.
    let tar = two.onto(built.onto(Tar::default()));
    let tar =
        tar.layout(&index(&[built.entry(Some("local/a:1")), two.entry(Some("b.example/b:1"))]));
    refused(None, &tar.bytes(), "no name of this host's").await;
}

#[tokio::test]
async fn documents_twice_and_large_ones() {
    let tar = layout().file("index.json", index(&[]).to_string());
    refused(None, &tar.bytes(), "index.json is in the tar twice").await;
    let large = vec![b' '; 5 << 20];
    refused(None, &Tar::default().file("manifest.json", large).bytes(), "at most").await;
    let twice = r#"[{"Config":"a","Config":"b","Layers":[]}]"#;
    refused(None, &Tar::default().file("manifest.json", twice).bytes(), "same key twice").await;
}
