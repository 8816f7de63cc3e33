//! A manifest's JSON.

use serde_json::{Map, Value, json};

use super::{Annotations, Content, Descriptor, Manifest, Platform};

/// Keys in the order of the alphabet.
pub(super) fn manifest(manifest: &Manifest) -> Vec<u8> {
    let Manifest { media_type, content, subject, artifact_type, annotations: notes } = manifest;
    let mut object = Map::new();
    object.insert("schemaVersion".into(), 2.into());
    object.insert("mediaType".into(), media_type.as_str().into());
    match content {
        Content::Image { config, layers } => {
            object.insert("config".into(), descriptor(config));
            object.insert("layers".into(), layers.iter().map(descriptor).collect());
        }
        Content::Index { manifests } => {
            object.insert("manifests".into(), manifests.iter().map(descriptor).collect());
        }
    }
    put(&mut object, "subject", subject.as_ref().map(descriptor));
    put(&mut object, "artifactType", artifact_type.as_deref().map(Value::from));
    put(&mut object, "annotations", annotations(notes));
    Value::Object(object).to_string().into_bytes()
}

fn descriptor(descriptor: &Descriptor) -> Value {
    let Descriptor {
        media_type,
        digest,
        size,
        platform: on,
        artifact_type,
        urls,
        annotations: notes,
    } = descriptor;
    let mut object = Map::new();
    object.insert("mediaType".into(), media_type.as_str().into());
    object.insert("digest".into(), digest.to_string().into());
    object.insert("size".into(), (*size).into());
    put(&mut object, "platform", on.as_ref().map(platform));
    put(&mut object, "artifactType", artifact_type.as_deref().map(Value::from));
    put(&mut object, "urls", (!urls.is_empty()).then(|| json!(urls)));
    put(&mut object, "annotations", annotations(notes));
    Value::Object(object)
}

fn platform(platform: &Platform) -> Value {
    let Platform { os, architecture, variant, os_version } = platform;
    let mut object = Map::new();
    object.insert("os".into(), os.as_str().into());
    object.insert("architecture".into(), architecture.as_str().into());
    put(&mut object, "variant", variant.as_deref().map(Value::from));
    put(&mut object, "os.version", os_version.as_deref().map(Value::from));
    Value::Object(object)
}

fn annotations(annotations: &Annotations) -> Option<Value> {
    (!annotations.is_empty()).then(|| json!(annotations))
}

fn put(object: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        object.insert(key.to_owned(), value);
    }
}
