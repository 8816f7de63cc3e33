//! Images, as the wire has them.

use kiln_proto::v1;
use kiln_registry::operate::{
    Image, Inspected, Page, Part, Pruned, Pulled, Pushed, Reference, Transfer,
};

pub(super) fn image(image: &Image) -> v1::Image {
    let Image {
        reference,
        digest,
        media_type,
        size,
        named_at,
        confirmed_at,
        platforms,
        incomplete,
    } = image.clone();
    let Reference { tag, .. } = &reference;
    v1::Image {
        name: reference.name(),
        tag: tag.as_ref().map(ToString::to_string).unwrap_or_default(),
        digest: digest.to_string(),
        media_type,
        size_bytes: size,
        created_at: named_at.map(Into::into),
        confirmed_at: confirmed_at.map(Into::into),
        platforms: platforms.iter().map(ToString::to_string).collect(),
        incomplete,
    }
}

pub(super) fn page(Page { images, next }: &Page) -> v1::ListImagesResponse {
    v1::ListImagesResponse {
        images: images.iter().map(image).collect(),
        next_page_token: next.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

pub(super) fn inspected(inspected: Inspected) -> v1::GetImageResponse {
    let Inspected { image, manifest, config, parts } = inspected;
    v1::GetImageResponse {
        image: Some(self::image(&image)),
        manifest,
        config: config.unwrap_or_default(),
        parts: parts.into_iter().map(part).collect(),
    }
}

fn part(Part { descriptor, is_stored }: Part) -> v1::ImagePart {
    v1::ImagePart {
        digest: descriptor.digest.to_string(),
        media_type: descriptor.media_type,
        size_bytes: descriptor.size,
        platform: descriptor.platform.map(|platform| platform.to_string()).unwrap_or_default(),
        stored: is_stored,
    }
}

pub(super) fn pruned(Pruned { images, blobs, bytes }: Pruned) -> v1::PruneImagesResponse {
    v1::PruneImagesResponse { images, blobs, bytes }
}

pub(super) fn pulled(Pulled { image, fetched, is_stale }: &Pulled) -> v1::PullResult {
    v1::PullResult { image: Some(self::image(image)), fetched_bytes: *fetched, stale: *is_stale }
}

pub(super) fn pushed(Pushed { target, digest, sent }: &Pushed) -> v1::PushResult {
    v1::PushResult { target: target.to_string(), digest: digest.to_string(), sent_bytes: *sent }
}

pub(super) fn transfer(Transfer { digest, done, total, present }: Transfer) -> v1::Transfer {
    v1::Transfer { digest: digest.to_string(), done_bytes: done, total_bytes: total, present }
}
