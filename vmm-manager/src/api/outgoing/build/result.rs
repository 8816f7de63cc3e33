//! What came of a build.

use kiln_proto::v1;

use crate::build::{BuildRecord, Content, Image, PlatformImage};

/// `None` before its exports are the host's.
pub(in crate::api) fn result(record: &BuildRecord) -> Option<v1::BuildResult> {
    let BuildRecord { images, cache_key, context_bytes, context_digests, exported_bytes, .. } =
        record;
    // The key is written down with the result, and has no other way to be there.
    (!cache_key.is_empty()).then(|| v1::BuildResult {
        images: images.iter().map(image).collect(),
        cache_key: cache_key.clone(),
        context_bytes: *context_bytes,
        context_digests: context_digests.clone(),
        exported_bytes: *exported_bytes,
    })
}

fn image(image: &Image) -> v1::BuiltImage {
    let Image { export, content: root, total_bytes, platforms, names } = image;
    let Content { digest, media_type, size_bytes: _ } = root.clone();
    v1::BuiltImage {
        export: export.clone(),
        digest,
        media_type,
        size_bytes: *total_bytes,
        platforms: platforms.iter().map(platform).collect(),
        names: names.clone(),
    }
}

fn platform(image: &PlatformImage) -> v1::BuiltPlatform {
    let PlatformImage { platform, manifest, config, layers, attestations } = image;
    v1::BuiltPlatform {
        platform: platform.clone(),
        manifest: Some(content(manifest)),
        config: Some(content(config)),
        layers: layers.iter().map(content).collect(),
        attestations: attestations.iter().map(content).collect(),
    }
}

fn content(content: &Content) -> v1::Content {
    let Content { digest, media_type, size_bytes } = content.clone();
    v1::Content { digest, media_type, size_bytes }
}
