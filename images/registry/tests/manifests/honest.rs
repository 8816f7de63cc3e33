//! What honest builders and programs write.

use kiln_registry::{digest::Digest, manifest::media};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

/// The first byte says under which type it is sent.
pub(crate) fn manifests() -> Vec<Vec<u8>> {
    let layers = json!([part("one", media::OCI_LAYER_GZIP), part("two", media::OCI_LAYER_ZSTD)]);
    let image = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST,
        "config": part("{}", media::OCI_CONFIG), "layers": layers,
    });
    let index = json!({
        "schemaVersion": 2, "mediaType": media::OCI_INDEX,
        "manifests": [part("amd64", media::OCI_MANIFEST), part("arm64", media::OCI_MANIFEST)],
    });
    let docker = with(&image, "mediaType", media::DOCKER_MANIFEST);
    let list = with(&index, "mediaType", media::DOCKER_LIST);
    let artifact = with(&image, "artifactType", "application/vnd.example+type");
    let mut referrer = with(&artifact, "subject", part("of this", media::OCI_MANIFEST));
    referrer["annotations"] = json!({"org.example.note": "a note"});
    let mut platforms = index.clone();
    platforms["manifests"][0]["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let mut foreign = image.clone();
    foreign["layers"][0] =
        part("far", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
    foreign["layers"][0]["urls"] = json!(["https://registry.example/layer"]);
    let mut untyped = image.clone();
    untyped.as_object_mut().expect("an object").remove("mediaType");
    let empty = json!({"schemaVersion": 2, "manifests": []});
    let custom = with(&image, "org.example", json!({"a": [1, 2.5, null]}));
    [
        (3, image),
        (2, index),
        (5, docker),
        (4, list),
        (0, artifact),
        (1, referrer),
        (0, platforms),
        (3, foreign),
        (3, untyped),
        (0, empty),
        (0, custom),
    ]
    .into_iter()
    .map(|(kind, value): (u8, Value)| [&[kind][..], value.to_string().as_bytes()].concat())
    .collect()
}

fn part(text: &str, media_type: &str) -> Value {
    let digest = Digest::of(text.as_bytes()).to_string();
    json!({"mediaType": media_type, "digest": digest, "size": text.len()})
}

fn with(value: &Value, key: &str, new: impl Into<Value>) -> Value {
    let mut value = value.clone();
    value[key] = new.into();
    value
}

pub(crate) fn archives() -> Vec<Vec<u8>> {
    let plain = |path: &str, content: &[u8], gnu: bool| {
        let mut builder = Builder::new(Vec::new());
        let mut header = if gnu { Header::new_gnu() } else { Header::new_ustar() };
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content).expect("a tar");
        builder
    };
    let mut linked = plain("one/layer.tar", b"layer", true);
    let mut link = Header::new_gnu();
    link.set_entry_type(EntryType::Symlink);
    link.set_size(0);
    linked.append_link(&mut link, "two/layer.tar", "../one/layer.tar").expect("a link");
    let mut extended = Builder::new(Vec::new());
    let records = [("path", &b"blobs/sha256/name"[..]), ("mtime", b"1.5")];
    extended.append_pax_extensions(records).expect("records");
    let mut header = Header::new_ustar();
    header.set_size(700);
    extended.append_data(&mut header, "short", &[7; 700][..]).expect("a file");
    [
        plain("index.json", b"{}", false),
        plain("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, true),
        plain(&format!("{}/layer.tar", "d".repeat(120)), b"", true),
        linked,
        extended,
    ]
    .into_iter()
    .map(|builder| builder.into_inner().expect("a tar"))
    .collect()
}
