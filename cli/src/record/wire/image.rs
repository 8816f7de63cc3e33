//! Images, and the registry that keeps them.

use bytes::Bytes;
use kiln_proto::v1;

use super::known;
use crate::record::{Image, ImageDetails, ImagePart, Pruned, Pulled, Pushed};

impl From<v1::Image> for Image {
    fn from(wire: v1::Image) -> Self {
        let v1::Image {
            name,
            tag,
            digest,
            media_type,
            size_bytes,
            created_at,
            confirmed_at,
            platforms,
            incomplete,
        } = wire;
        Self {
            name,
            tag: known(tag),
            digest,
            media_type,
            size_bytes,
            created_at: created_at.map(Into::into),
            confirmed_at: confirmed_at.map(Into::into),
            platforms,
            incomplete,
        }
    }
}

impl From<v1::GetImageResponse> for ImageDetails {
    fn from(wire: v1::GetImageResponse) -> Self {
        let v1::GetImageResponse { image, manifest, config, parts } = wire;
        let json = |bytes: &Bytes| serde_json::from_slice(bytes).ok();
        Self {
            image: image.map(Image::from).unwrap_or_default(),
            parts: parts.into_iter().map(ImagePart::from).collect(),
            manifest: json(&manifest),
            config: json(&config),
            raw: manifest,
        }
    }
}

impl From<v1::ImagePart> for ImagePart {
    fn from(wire: v1::ImagePart) -> Self {
        let v1::ImagePart { digest, media_type, size_bytes, platform, stored } = wire;
        Self { digest, media_type, size_bytes, platform: known(platform), stored }
    }
}

impl From<v1::PullResult> for Pulled {
    fn from(v1::PullResult { image, fetched_bytes, stale }: v1::PullResult) -> Self {
        Self { image: image.map(Image::from).unwrap_or_default(), fetched_bytes, stale }
    }
}

impl From<v1::PushResult> for Pushed {
    fn from(v1::PushResult { target, digest, sent_bytes }: v1::PushResult) -> Self {
        Self { target, digest, sent_bytes }
    }
}

impl From<v1::PruneImagesResponse> for Pruned {
    fn from(v1::PruneImagesResponse { images, blobs, bytes }: v1::PruneImagesResponse) -> Self {
        Self { images, blobs, bytes }
    }
}
