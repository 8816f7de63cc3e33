//! What is refused, and in which words.

use serde_json::{Value, json};

use super::{IMAGE, INDEX, blob, image, index, layer, parse, with, without};
use crate::manifest::{Annotations, InvalidManifest, Manifest, media};

/// The whole chain of what is wrong.
fn refusal(result: Result<Manifest, InvalidManifest>) -> String {
    let error = result.expect_err("accepted");
    let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

fn check(value: &Value, words: &str) {
    let refusal = refusal(parse(None, value));
    assert!(refusal.contains(words), "{refusal}");
}

fn check_text(text: &str, words: &str) {
    let refusal = refusal(Manifest::parse(None, text.as_bytes()));
    assert!(refusal.contains(words), "{text}: {refusal}");
}

#[test]
fn no_json_object() {
    for text in ["", "{", "[]", "null", "2", "\"text\"", "true"] {
        check_text(text, "not a manifest");
    }
    check_text("\u{feff}{\"schemaVersion\":2}", "expected value");
    check_text(&format!("{} {{}}", image()), "trailing characters");
    check_text("{'schemaVersion': 2}", "key must be a string");
    check_text(r#"{"schemaVersion": 2, "a": "\ud800"}"#, "not a manifest");
    let mut bytes = image().to_string().into_bytes();
    bytes.insert(1, 0xff);
    assert!(refusal(Manifest::parse(None, &bytes)).contains("not a manifest"));
}

#[test]
fn a_key_twice_is_read_in_two_ways() {
    let text = image().to_string();
    let twice = |field: &str, value: &Value| format!("{{\"{field}\":{value},{}", &text[1..]);
    for (field, value) in [
        ("layers", json!([])),
        ("mediaType", INDEX.into()),
        ("schemaVersion", 1.into()),
        ("config", blob("other", media::OCI_CONFIG)),
    ] {
        check_text(&twice(field, &value), "same key twice");
    }
    let inner = text.replacen("\"size\"", "\"size\":1,\"size\"", 1);
    check_text(&inner, "same key twice");
    let escaped = format!("{{\"l\\u0061yers\":[],{}", &text[1..]);
    check_text(&escaped, "same key twice");
    let unknown = with(image(), "/custom", json!({})).to_string();
    check_text(&unknown.replace("\"custom\":{}", r#""custom":{"a":1,"a":2}"#), "same key twice");
}

#[test]
fn a_field_that_only_some_see() {
    for field in ["Layers", "LAYERS", "layerſ", "Manifests", "manifestS", "MediaType", "Config"] {
        let field = format!("/{field}");
        check(&with(without(image(), "layers"), &field, json!([])), "letters' case");
    }
    check(&with(image(), "/layers/0/Digest", "sha256:0".into()), "layers[0]");
    check(&with(image(), "/config/SIZE", 1.into()), "letters' case");
    check(&with(index(), "/manifests/1/platform", json!({"OS": "linux"})), "platform");
}

#[test]
fn an_image_and_an_index_at_once() {
    for media_type in [IMAGE, media::DOCKER_MANIFEST, "application/vnd.example.x+json"] {
        let both = with(image(), "/mediaType", media_type.into());
        check(&with(both.clone(), "/manifests", json!([blob("x", IMAGE)])), "ambiguous: manifests");
        check(&with(both, "/manifests", json!([])), "ambiguous: manifests");
    }
    for media_type in [INDEX, media::DOCKER_LIST, "application/vnd.example.x+json"] {
        let both = with(index(), "/mediaType", media_type.into());
        check(&with(both.clone(), "/layers", json!([layer("x")])), "ambiguous: layers");
        check(&with(both, "/layers", Value::Null), "ambiguous: layers");
    }
    check(&with(index(), "/config", blob("{}", media::OCI_CONFIG)), "ambiguous: config");
    let untyped = without(with(image(), "/manifests", json!([])), "mediaType");
    check(&untyped, "ambiguous: manifests");
}

#[test]
fn one_type_outside_and_another_inside() {
    for (declared, value) in [(INDEX, image()), (IMAGE, index()), (media::DOCKER_MANIFEST, image())]
    {
        let refusal = refusal(parse(Some(declared), &value));
        assert!(refusal.contains("but its mediaType is"), "{refusal}");
    }
    let untyped = without(image(), "mediaType");
    assert!(refusal(parse(Some(INDEX), &untyped)).contains("ambiguous: config"));
    let untyped = without(index(), "mediaType");
    assert!(refusal(parse(Some(IMAGE), &untyped)).contains("ambiguous: manifests"));
}

#[test]
fn schema_1() {
    let old = json!({"schemaVersion": 1, "name": "a", "fsLayers": [], "history": []});
    check(&old, "schema 1");
    check(&with(image(), "/fsLayers", json!([])), "schema 1");
    check(&with(image(), "/schemaVersion", 1.into()), "schema 1");
    let signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    assert!(refusal(parse(Some(signed), &image())).contains("schema 1"));
    check(&with(image(), "/mediaType", signed.into()), "schema 1");
    check(&without(image(), "schemaVersion"), "\"schemaVersion\": 2");
    for version in [json!(3), json!(2.0), json!("2"), Value::Null] {
        check(&with(image(), "/schemaVersion", version), "\"schemaVersion\": 2");
    }
}

#[test]
fn neither_image_nor_index() {
    check(&json!({"schemaVersion": 2}), "neither an image");
    check(&json!({"schemaVersion": 2, "layers": []}), "neither an image");
    check(&without(image(), "config"), "config is missing");
    check(&without(index(), "manifests"), "manifests is missing");
    check(&with(image(), "/config", Value::Null), "config is missing");
    let unknown = json!({"schemaVersion": 2, "mediaType": "application/vnd.example+json"});
    check(&unknown, "neither an image");
}

#[test]
fn too_much_of_anything() {
    let many = vec![layer("x"); 10_000];
    check(&with(image(), "/layers", json!(many)), "10000 descriptors are too many");
    check(&with(index(), "/manifests", json!(many)), "10000 descriptors are too many");
    let space = " ".repeat(crate::content::MAX_MANIFEST_BYTES);
    check_text(&format!("{}{space}", image()), "too large");
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    check_text(
        &with(image(), "/x", "?".into()).to_string().replace("\"?\"", &nested(40)),
        "deeper",
    );
    check_text(&nested(1_000_000), "deeper");
    let values = format!("{{\"a\":[{}0]}}", "0,".repeat(1_000_000));
    check_text(&values, "values in one document");
    let notes: Annotations = (0..20_000).map(|n| (n.to_string(), String::new())).collect();
    check(&with(image(), "/annotations", json!(notes)), "annotations are too many");
    let long = json!({"a": "x".repeat(300 << 10)});
    check(&with(image(), "/annotations", long), "annotations is too long");
    check(&with(image(), "/annotations", json!({"k".repeat(2000): ""})), "annotations is too long");
    let urls = vec!["https://a.example"; 17];
    check(&with(image(), "/layers/0/urls", json!(urls)), "layers[0].urls are too many");
    let media_type = format!("application/{}", "x".repeat(300));
    check(&with(image(), "/layers/0/mediaType", media_type.into()), "is not a media type");
}

#[test]
fn sizes_that_are_none() {
    for size in [json!(-1), json!(1.5), json!(1e3), json!("1"), json!(1_u64 << 63), json!([1])] {
        check(&with(image(), "/layers/1/size", size), "layers[1].size is not a number of bytes");
    }
    check(&with(image(), "/config/size", Value::Null), "config.size is missing");
    let huge = with(image(), "/layers/0/size", i64::MAX.into());
    check(&huge, "no number of bytes together");
}

#[test]
fn digests_that_are_none() {
    let hex = "a".repeat(128);
    let sha512 = with(image(), "/layers/0/digest", format!("sha512:{hex}").into());
    check(&sha512, "layers[0].digest: sha512 is not supported");
    for digest in ["sha256:", "md5:00", &"A".repeat(64), "../../etc/passwd"] {
        check(&with(image(), "/config/digest", digest.into()), "config.digest: not a digest");
    }
    check(&with(image(), "/config", json!({"mediaType": "a/b", "size": 1})), "digest is missing");
    check(
        &with(image(), "/subject", json!({"digest": "sha256:0"})),
        "subject.mediaType is missing",
    );
}

#[test]
fn fields_of_another_kind() {
    check(&with(image(), "/layers", json!({})), "layers is not a list");
    check(&with(image(), "/layers/0", "x".into()), "layers[0] is not an object");
    check(&with(image(), "/config", json!([])), "config is not an object");
    check(&with(image(), "/mediaType", 5.into()), "mediaType is not text");
    check(&with(image(), "/mediaType", "x\r\ny: z/a".into()), "mediaType is not a media type");
    check(&with(image(), "/layers/0/mediaType", "none".into()), "is not a media type");
    check(&with(image(), "/artifactType", "ä/b".into()), "artifactType is not a media type");
    check(&with(image(), "/annotations", json!(["a"])), "annotations is not an object");
    check(&with(image(), "/annotations", json!({"a": 1})), "annotations is not text");
    check(&with(image(), "/layers/0/urls", "x".into()), "urls is not a list");
    check(&with(image(), "/layers/0/data", 1.into()), "data is not text");
    check(&with(index(), "/manifests/0/platform", "linux".into()), "platform is not an object");
}
