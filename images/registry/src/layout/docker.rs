//! `manifest.json` of `docker save`: which of its files make an image, and what it is called.

use serde_json::{Map, Value, json};

use super::InvalidLayout;
use crate::manifest::{MAX_DESCRIPTORS, json};

pub(crate) const PATH: &str = "manifest.json";
const MAX_IMAGES: usize = 1024;
const MAX_NAMES: usize = 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    /// Paths, from the archive's root.
    pub config: String,
    pub layers: Vec<String>,
    pub names: Vec<String>,
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Saved>, InvalidLayout> {
    let path = PATH.to_owned();
    let value = json::parse(bytes).map_err(|source| InvalidLayout::Json { path, source })?;
    let images = value.as_array().filter(|images| images.len() <= MAX_IMAGES);
    images.ok_or_else(|| wrong("it is no list of images"))?.iter().map(saved).collect()
}

pub(crate) fn write(images: &[Saved]) -> Vec<u8> {
    let image = |image: &Saved| {
        let Saved { config, layers, names } = image;
        json!({"Config": config, "RepoTags": names, "Layers": layers})
    };
    Value::Array(images.iter().map(image).collect()).to_string().into_bytes()
}

fn saved(value: &Value) -> Result<Saved, InvalidLayout> {
    let image = value.as_object().ok_or_else(|| wrong("an image is no object"))?;
    let config = image.get("Config").and_then(Value::as_str);
    let config = config.ok_or_else(|| wrong("an image has no Config"))?.to_owned();
    let layers = texts(image, "Layers", MAX_DESCRIPTORS)?;
    Ok(Saved { config, layers, names: texts(image, "RepoTags", MAX_NAMES)? })
}

/// `null` and none are none.
fn texts(
    image: &Map<String, Value>,
    field: &str,
    most: usize,
) -> Result<Vec<String>, InvalidLayout> {
    let Some(value) = image.get(field).filter(|value| !value.is_null()) else {
        return Ok(Vec::new());
    };
    let items = value.as_array().filter(|items| items.len() <= most);
    let items = items.ok_or_else(|| wrong("Layers or RepoTags are no list, or too long a one"))?;
    let text = |item: &Value| item.as_str().map(str::to_owned);
    let texts: Option<Vec<_>> = items.iter().map(text).collect();
    texts.ok_or_else(|| wrong("a layer or a name is no text"))
}

fn wrong(wrong: &'static str) -> InvalidLayout {
    InvalidLayout::Document { path: PATH.to_owned(), wrong }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let image = |name: &str| Saved {
            config: format!("blobs/sha256/{name}"),
            layers: vec!["a/layer.tar".into(), "b/layer.tar".into()],
            names: vec![format!("local/{name}:1")],
        };
        let images = vec![image("one"), image("two")];
        assert_eq!(parse(&write(&images)).unwrap(), images);
        let plain = br#"[{"Config":"c.json","RepoTags":null,"Layers":[],"Parent":"x"}]"#;
        assert!(parse(plain).unwrap()[0].names.is_empty());
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "{}",
            "[1]",
            "[{}]",
            r#"[{"Config":1}]"#,
            r#"[{"Config":"c","Layers":"x"}]"#,
            r#"[{"Config":"c","Layers":[1]}]"#,
            r#"[{"Config":"c","Config":"d"}]"#,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
