use serde_json::{Value, json};

use super::*;

mod hostile;
mod played;

const IMAGE: &str = media::OCI_MANIFEST;
const INDEX: &str = media::OCI_INDEX;

fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

fn blob(text: &str, media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": digest(text), "size": text.len()})
}

fn layer(text: &str) -> Value {
    blob(text, media::OCI_LAYER_GZIP)
}

fn image() -> Value {
    json!({
        "schemaVersion": 2, "mediaType": IMAGE, "config": blob("{}", media::OCI_CONFIG),
        "layers": [layer("one"), layer("two")],
    })
}

fn index() -> Value {
    json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [blob("amd64", IMAGE), blob("arm64", IMAGE)],
    })
}

fn with(mut value: Value, path: &str, new: Value) -> Value {
    let (parent, key) = path.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(map) => drop(map.insert(key.to_owned(), new)),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = new,
        _ => panic!("{path}"),
    }
    value
}

fn without(mut value: Value, key: &str) -> Value {
    value.as_object_mut().unwrap().remove(key).unwrap();
    value
}

fn parse(declared: Option<&str>, value: &Value) -> Result<Manifest, InvalidManifest> {
    Manifest::parse(declared, value.to_string().as_bytes())
}

#[test]
fn images_and_indexes_of_both_families() {
    for (declared, value, is_index) in [
        (IMAGE, image(), false),
        (media::DOCKER_MANIFEST, with(image(), "/mediaType", media::DOCKER_MANIFEST.into()), false),
        (INDEX, index(), true),
        (media::DOCKER_LIST, with(index(), "/mediaType", media::DOCKER_LIST.into()), true),
    ] {
        for declared in [Some(declared), None, Some("application/json")] {
            let manifest = parse(declared, &value).unwrap();
            assert_eq!(manifest.is_index(), is_index);
            assert_eq!(Manifest::parse(None, &manifest.to_json()), Ok(manifest));
        }
    }
}

#[test]
fn a_type_that_the_body_does_not_tell() {
    let (untyped, named) = (without(image(), "mediaType"), "application/vnd.example.thing.v1+json");
    assert_eq!(parse(None, &untyped).unwrap().media_type, IMAGE);
    assert_eq!(parse(None, &without(index(), "mediaType")).unwrap().media_type, INDEX);
    assert_eq!(parse(Some(named), &untyped).unwrap().media_type, named);
    let parameters = format!("{}; charset=utf-8", IMAGE.to_uppercase());
    assert_eq!(parse(Some(&parameters), &image()).unwrap().media_type, IMAGE);
}

#[test]
fn artifacts_of_any_type() {
    let artifact = with(image(), "/artifactType", "application/vnd.example+type".into());
    let artifact = with(artifact, "/config", blob("{}", "application/vnd.oci.empty.v1+json"));
    let artifact = with(artifact, "/subject", blob("of this", IMAGE));
    let manifest = parse(Some(IMAGE), &artifact).unwrap();
    assert_eq!(manifest.effective_artifact_type(), Some("application/vnd.example+type"));
    assert_eq!(manifest.subject.as_ref().unwrap().digest, Digest::of(b"of this"));
    // What it is about need not be there.
    assert_eq!(manifest.required().count(), 3);
    let plain = parse(None, &image()).unwrap();
    assert_eq!(plain.effective_artifact_type(), Some(media::OCI_CONFIG));
}

#[test]
fn what_no_reader_knows_is_no_mistake() {
    let strange = with(image(), "/org.example.custom", json!({"a": [1, 2.5, null, true]}));
    let strange = with(strange, "/config/newField", "e30=".into());
    let strange = with(strange, "/config/data", "e30=".into());
    assert!(parse(Some(IMAGE), &strange).is_ok());
}

#[test]
fn empty_lists_as_they_are_written() {
    for layers in [json!([]), Value::Null] {
        let manifest = parse(None, &with(image(), "/layers", layers)).unwrap();
        assert_eq!(manifest.required().count(), 1);
    }
    assert!(parse(None, &without(image(), "layers")).is_ok());
    for manifests in [json!([]), Value::Null] {
        assert!(parse(None, &with(index(), "/manifests", manifests)).unwrap().is_index());
    }
}

#[test]
fn foreign_layers_are_not_required_and_their_urls_only_kept() {
    for foreign in [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    ] {
        let layer = with(blob("far", foreign), "/urls", json!(["http://192.0.2.1/layer"]));
        let manifest = parse(None, &with(image(), "/layers/0", layer)).unwrap();
        let required: Vec<_> = manifest.required().collect();
        assert_eq!(required, [Digest::of(b"{}"), Digest::of(b"two")]);
        let Content::Image { layers, .. } = manifest.content else { panic!() };
        assert_eq!(layers[0].urls, ["http://192.0.2.1/layer"]);
    }
}

#[test]
fn an_index_names_manifests_and_what_may_be_anything() {
    let cache = with(index(), "/manifests/1", blob("cache", "application/vnd.example.cache.v0"));
    let manifest = parse(None, &cache).unwrap();
    let roles: Vec<_> = manifest.references().map(|reference| reference.role).collect();
    assert_eq!(roles, [Role::Manifest, Role::Either]);
}

#[test]
fn platforms() {
    let platform = json!({"os": "linux", "architecture": "arm", "variant": "v7", "features": []});
    let manifest = parse(None, &with(index(), "/manifests/0/platform", platform)).unwrap();
    let platform = manifest.manifests()[0].platform.as_ref().unwrap();
    assert_eq!(platform.to_string(), "linux/arm/v7");
    let empty = with(index(), "/manifests/0/platform", json!({}));
    assert!(parse(None, &empty).is_ok());
}

#[test]
fn a_large_manifest_is_read() {
    let value = "v".repeat(10_000);
    let notes: Annotations = (0..390).map(|n| (format!("k{n}"), value.clone())).collect();
    assert!(parse(None, &with(image(), "/annotations", json!(notes))).is_ok());
    let layers = vec![layer("same"); MAX_DESCRIPTORS];
    assert!(parse(None, &with(image(), "/layers", json!(layers))).is_ok());
}
