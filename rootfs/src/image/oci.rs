//! OCI's own form: an index of manifests, one for each platform.

mod search;

use serde::Deserialize;

use self::search::{Candidate, Search, choose};

use super::{
    Config, Image, LayerBlob, MOST_LAYERS, OpenError, Wanted,
    descriptor::{CONFIG_LIMIT, Descriptor, JSON_LIMIT, parse},
    shelf::Shelf,
};

const SMALL: u64 = 1 << 10;
const INDEX: &str = "the index";
const MANIFEST: &str = "the manifest";
const CONFIG: &str = "the configuration";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

pub(super) fn open(shelf: &Shelf, wanted: &Wanted) -> Result<Image, OpenError> {
    let layout: Layout =
        parse(&shelf.bytes("oci-layout", "the layout's version", SMALL)?, "the layout")?;
    if !layout.image_layout_version.starts_with("1.") {
        let problem = "its version is not 1";
        return Err(OpenError::Malformed { what: "the layout".to_owned(), problem });
    }
    let index: Index = parse(&shelf.bytes("index.json", INDEX, JSON_LIMIT)?, INDEX)?;
    let mut search = Search::new(shelf);
    for descriptor in named(index.manifests, wanted)? {
        let name = name(&descriptor).map(str::to_owned);
        search.visit(descriptor, name.as_deref())?;
    }
    let chosen = choose(search.found, &wanted.platform)?;
    read(shelf, &chosen)
}

/// Those of the name that is wanted.
fn named(all: Vec<Descriptor>, wanted: &Wanted) -> Result<Vec<Descriptor>, OpenError> {
    let Some(wanted) = &wanted.name else { return Ok(all) };
    let known: Vec<_> = all.iter().flat_map(names).map(str::to_owned).collect();
    let fitting: Vec<_> =
        all.into_iter().filter(|one| names(one).any(|own| own == wanted)).collect();
    if fitting.is_empty() {
        return Err(OpenError::NoSuchName { name: wanted.clone(), known });
    }
    Ok(fitting)
}

fn names(descriptor: &Descriptor) -> impl Iterator<Item = &str> {
    ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
        .into_iter()
        .filter_map(|key| descriptor.annotation(key))
}

fn name(descriptor: &Descriptor) -> Option<&str> {
    names(descriptor).next()
}

fn is_config(descriptor: &Descriptor) -> bool {
    matches!(
        descriptor.media_type.as_str(),
        "application/vnd.oci.image.config.v1+json"
            | "application/vnd.docker.container.image.v1+json"
    )
}

fn read(shelf: &Shelf, chosen: &Candidate) -> Result<Image, OpenError> {
    let manifest: Manifest =
        parse(&chosen.descriptor.bytes(shelf, MANIFEST, JSON_LIMIT)?, MANIFEST)?;
    if !is_config(&manifest.config) {
        let (what, media_type) = (CONFIG.to_owned(), manifest.config.media_type);
        return Err(OpenError::MediaType { what, media_type });
    }
    let config = Config::parse(manifest.config.bytes(shelf, CONFIG, CONFIG_LIMIT)?)?;
    if !config.platform.is(&chosen.platform) {
        let (wanted, found) = (chosen.platform.clone(), vec![config.platform]);
        return Err(OpenError::WrongPlatform { wanted, found });
    }
    let (count, limit) = (manifest.layers.len(), MOST_LAYERS);
    if count > limit {
        return Err(OpenError::TooManyLayers { count, limit });
    }
    if count != config.diffs.len() {
        return Err(OpenError::LayersDisagree { layers: count, diffs: config.diffs.len() });
    }
    let layers = manifest.layers.iter().zip(&config.diffs).enumerate();
    let layers = layers.map(|(number, (descriptor, &diff))| {
        let what = format!("layer {} of {count}", number + 1);
        if !is_layer(&descriptor.media_type) {
            let media_type = descriptor.media_type.clone();
            return Err(OpenError::MediaType { what, media_type });
        }
        let digest = Some(descriptor.digest(&what)?);
        Ok(LayerBlob { extent: descriptor.extent(shelf, &what)?, digest, diff })
    });
    let layers = layers.collect::<Result<_, _>>()?;
    let manifest = Some(chosen.descriptor.digest(MANIFEST)?);
    Ok(Image { manifest, config, layers })
}

/// How it is compressed is read off its bytes: the digest of its tar says whether that was right.
fn is_layer(media_type: &str) -> bool {
    let kind = media_type.strip_suffix("+gzip").or_else(|| media_type.strip_suffix("+zstd"));
    let kind = kind
        .or_else(|| media_type.strip_suffix(".gzip"))
        .or_else(|| media_type.strip_suffix(".zstd"));
    matches!(
        kind.unwrap_or(media_type),
        "application/vnd.oci.image.layer.v1.tar"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar"
            | "application/vnd.docker.image.rootfs.diff.tar"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar"
    )
}
