//! What all flags together ask for, as buildx has it.

use std::collections::BTreeSet;

use super::ExportsError;
use crate::args::{BuildArguments, Export, ImageOptions, Platform, RootfsExport};

/// With the build's platform, where there is one and it has none of its own.
pub(super) fn of_platform(
    mut rootfs: RootfsExport,
    arguments: &BuildArguments,
) -> Result<RootfsExport, ExportsError> {
    if rootfs.platform.is_none() {
        let mut platforms: Vec<_> =
            arguments.platform.iter().flat_map(|several| several.0.clone()).collect();
        platforms.dedup();
        if platforms.len() > 1 {
            return Err(ExportsError::Platforms { platforms });
        }
        rootfs.platform = platforms.pop().map(Platform);
    }
    Ok(rootfs)
}

/// With what the shorthands add, as buildx adds it.
pub(super) fn asked(arguments: &BuildArguments) -> Vec<Export> {
    let mut exports = arguments.output.clone();
    if arguments.push {
        let mut has_image = false;
        for export in &mut exports {
            if let Export::Image(image) = export {
                image.push = true;
                has_image = true;
            }
        }
        if !has_image {
            exports.push(Export::pushed());
        }
    }
    if arguments.load && !exports.iter().any(|export| matches!(export, Export::Load(_))) {
        exports.push(Export::Load(ImageOptions::default()));
    }
    let wants_image = !arguments.tag.is_empty() || arguments.quiet || arguments.iidfile.is_some();
    if exports.is_empty() && wants_image {
        exports.push(Export::Image(ImageOptions::default()));
    }
    exports
}

pub(super) fn refuse_what_waits(arguments: &BuildArguments) -> Result<(), ExportsError> {
    let loads = arguments.load || arguments.output.iter().any(|e| matches!(e, Export::Load(_)));
    for (is_there, flag) in [
        (loads, "--load"),
        (arguments.iidfile.is_some(), "--iidfile"),
        (arguments.metadata_file.is_some(), "--metadata-file"),
    ] {
        if is_there {
            return Err(ExportsError::DetachedFlag { flag });
        }
    }
    Ok(())
}

/// An output's own names are its alone: what was written down is not passed over.
pub(super) fn name(image: &mut ImageOptions, tags: &[String]) -> Result<(), ExportsError> {
    if image.names.is_empty() {
        image.names = tags.to_vec();
    }
    let mut known = BTreeSet::new();
    image.names.retain(|name| known.insert(name.clone()));
    if image.push && image.names.is_empty() {
        return Err(ExportsError::PushOfNothing);
    }
    // Into the host's own registry an image is not pushed, but named.
    image.push &= image.names.iter().any(|name| !name.starts_with("local/"));
    if image.push_by_digest && !image.push {
        return Err(ExportsError::NothingByDigest);
    }
    Ok(())
}
