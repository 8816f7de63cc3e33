//! Docker's own archives: a list of images, whose layers are named by their places.

use serde::Deserialize;

use super::{
    Config, Image, LayerBlob, MOST_LAYERS, OpenError, Wanted,
    descriptor::{CONFIG_LIMIT, JSON_LIMIT, check, parse},
    shelf::Shelf,
};
use kiln_digest::Digest;

const LIST: &str = "docker's list of images";
const CONFIG: &str = "the configuration";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

pub(super) fn open(shelf: &Shelf, wanted: &Wanted) -> Result<Image, OpenError> {
    let entries: Vec<Entry> = parse(&shelf.bytes("manifest.json", LIST, JSON_LIMIT)?, LIST)?;
    let entry = choose(entries, wanted)?;
    let json = shelf.bytes(&entry.config, CONFIG, CONFIG_LIMIT)?;
    if let Some(expected) = digest_of(&entry.config) {
        check(&json, expected, CONFIG)?;
    }
    let config = Config::parse(json)?;
    if !config.platform.is(&wanted.platform) {
        let (wanted, found) = (wanted.platform.clone(), vec![config.platform]);
        return Err(OpenError::WrongPlatform { wanted, found });
    }
    let names = entry.layers.unwrap_or_default();
    let (count, limit) = (names.len(), MOST_LAYERS);
    if count > limit {
        return Err(OpenError::TooManyLayers { count, limit });
    }
    if count != config.diffs.len() {
        return Err(OpenError::LayersDisagree { layers: count, diffs: config.diffs.len() });
    }
    let layers = names.iter().zip(&config.diffs).enumerate().map(|(number, (name, &diff))| {
        let what = || format!("layer {} of {count} ({name:?})", number + 1);
        let extent = shelf.find(name)?.ok_or_else(|| OpenError::Missing { what: what() })?;
        let digest = name.starts_with("blobs/sha256/").then(|| digest_of(name)).flatten();
        Ok(LayerBlob { extent, digest, diff })
    });
    let layers = layers.collect::<Result<_, OpenError>>()?;
    Ok(Image { manifest: None, config, layers })
}

fn choose(mut entries: Vec<Entry>, wanted: &Wanted) -> Result<Entry, OpenError> {
    let tags = |entry: &Entry| entry.repo_tags.clone().unwrap_or_default();
    let known: Vec<_> = entries.iter().flat_map(tags).collect();
    if let Some(name) = &wanted.name {
        entries.retain(|entry| tags(entry).contains(name));
        if entries.is_empty() {
            return Err(OpenError::NoSuchName { name: name.clone(), known });
        }
    }
    match (entries.pop(), entries.is_empty()) {
        (Some(entry), true) => Ok(entry),
        (Some(_), false) => Err(OpenError::Ambiguous { known }),
        (None, _) => Err(OpenError::NotAnImage),
    }
}

/// Of a file that is named by its content: `DIGITS.json`, or `blobs/sha256/DIGITS`.
fn digest_of(name: &str) -> Option<Digest> {
    let name = name.rsplit('/').next()?;
    Digest::from_hex(name.strip_suffix(".json").unwrap_or(name)).ok()
}
