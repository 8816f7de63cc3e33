//! What is to come of a build.

use kiln_proto::v1::{self, build_export::Kind};
use kiln_registry::operate::{Place, Reference};

use super::{
    image::name,
    text::{at_most, once, shown},
};
use crate::{
    api::{
        field::InvalidField,
        incoming::{disk::output_name, room::MOST_DISK_BYTES},
    },
    job::{
        Build, CacheExport, Compression, DiskFormat, Export, ExportKind, ImageExport, OutputDisk,
    },
};

/// Each is a disk of the VM.
const MOST: usize = 8;
const MOST_NAMES: usize = 64;
const BLOCK_BYTES: u64 = 4096;
/// Where the guest has them.
const OUT: &str = "/run/kiln/build/out";
/// By which times in layers are set.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Exports, and the job's outputs that carry them.
pub(super) struct Exports {
    pub(super) exports: Vec<Export>,
    pub(super) outputs: Vec<OutputDisk>,
}

/// What an export's size follows from where none is asked for.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) disk_bytes: u64,
    pub(super) most_output_bytes: u64,
    pub(super) exports: usize,
}

/// The most that each export may come to.
pub(super) fn size(asked: u64, bounds: Bounds) -> Result<u64, InvalidField> {
    let Bounds { disk_bytes, most_output_bytes, exports } = bounds;
    if asked == 0 {
        // More than the host keeps of all would be refused, and nobody asked for it.
        let share = most_output_bytes / (exports.max(1) as u64);
        return Ok((disk_bytes.min(share) / BLOCK_BYTES * BLOCK_BYTES).max(BLOCK_BYTES));
    }
    if asked > MOST_DISK_BYTES {
        let problem = format!("is above {MOST_DISK_BYTES}");
        return Err(InvalidField::new("spec.build.max_export_bytes", problem));
    }
    Ok(asked.next_multiple_of(BLOCK_BYTES))
}

pub(super) fn exports(wire: Vec<v1::BuildExport>, max_bytes: u64) -> Result<Exports, InvalidField> {
    let at = "spec.build.exports";
    at_most(at, wire.len(), MOST)?;
    let mut exports = Exports { exports: Vec::new(), outputs: Vec::new() };
    let mut names = Vec::new();
    for (output, v1::BuildExport { name, kind }) in wire.into_iter().enumerate() {
        let at = format!("{at}[{output}]");
        let field = format!("{at}.name");
        output_name(&field, &name)?;
        once(&field, &name, &names)?;
        names.push(name.clone());
        let kind = match kind {
            Some(Kind::Image(image)) => {
                ExportKind::Image(self::image(&format!("{at}.image"), image)?)
            }
            Some(Kind::Tree(v1::TreeExport { platform_split })) => {
                ExportKind::Tree { platform_split }
            }
            None => return Err(InvalidField::new(format!("{at}.kind"), "is missing")),
        };
        let path = format!("{OUT}/{name}");
        let format = DiskFormat::Raw;
        exports.outputs.push(OutputDisk { name: name.clone(), path, format, max_bytes });
        exports.exports.push(Export { name, output, kind });
    }
    Ok(exports)
}

fn image(at: &str, wire: v1::ImageExport) -> Result<ImageExport, InvalidField> {
    let v1::ImageExport {
        names,
        push,
        push_by_digest,
        compression: layers,
        compression_level,
        force_compression,
        rewrite_timestamp,
        docker_media_types,
    } = wire;
    at_most(&format!("{at}.names"), names.len(), MOST_NAMES)?;
    let mut given: Vec<Reference> = Vec::with_capacity(names.len());
    for (index, text) in names.iter().enumerate() {
        let field = format!("{at}.names[{index}]");
        let name = name(&field, text)?;
        once(&field, &name, &given)?;
        given.push(name);
    }
    let goes_out = given.iter().any(|name| matches!(name.place, Place::Registry(_)));
    if push && !goes_out {
        let problem = "needs a name of a registry outside among `names`, where it goes";
        return Err(InvalidField::new(format!("{at}.push"), problem));
    }
    if push_by_digest && !push {
        return Err(InvalidField::new(format!("{at}.push_by_digest"), "needs `push`"));
    }
    let compression = compression(&format!("{at}.compression"), &layers)?;
    let compression_level =
        level(&format!("{at}.compression_level"), compression, compression_level)?;
    let only_oci = matches!(compression, Some(Compression::Zstd | Compression::Estargz));
    if docker_media_types && only_oci {
        let problem = format!("do not go with {layers}, which docker's have no name for");
        return Err(InvalidField::new(format!("{at}.docker_media_types"), problem));
    }
    Ok(ImageExport {
        names: given.iter().map(ToString::to_string).collect(),
        push,
        push_by_digest,
        compression,
        compression_level,
        force_compression,
        rewrite_timestamp,
        docker_media_types,
    })
}

pub(super) fn compression(field: &str, text: &str) -> Result<Option<Compression>, InvalidField> {
    Ok(Some(match text {
        "" => return Ok(None),
        "gzip" => Compression::Gzip,
        "zstd" => Compression::Zstd,
        "estargz" => Compression::Estargz,
        "uncompressed" => Compression::Uncompressed,
        _ => {
            let problem = format!("{} is none of: gzip, zstd, estargz, uncompressed", shown(text));
            return Err(InvalidField::new(field, problem));
        }
    }))
}

fn level(
    field: &str,
    compression: Option<Compression>,
    level: u32,
) -> Result<Option<u32>, InvalidField> {
    let most = match compression {
        None | Some(Compression::Gzip | Compression::Estargz) => 9,
        Some(Compression::Zstd) => 22,
        Some(Compression::Uncompressed) => 0,
    };
    if level > most {
        let problem = match most {
            0 => format!("{level}: what is not compressed has none"),
            _ => format!("{level} is above {most}, the highest of this compression"),
        };
        return Err(InvalidField::new(field, problem));
    }
    Ok(Some(level).filter(|level| *level > 0))
}

/// What only makes sense beside something else.
pub(super) fn check_together(build: &Build) -> Result<(), InvalidField> {
    let images = || {
        build.exports.iter().enumerate().filter_map(|(index, export)| match &export.kind {
            ExportKind::Image(image) => Some((index, image)),
            ExportKind::Tree { .. } => None,
        })
    };
    if images().next().is_none() {
        let needs = |field: &str| {
            let problem = "needs an export that is an image, in which it would be";
            Err(InvalidField::new(field, problem))
        };
        if !build.annotations.is_empty() {
            return needs("spec.build.annotations");
        }
        if let Some(index) = build.cache_to.iter().position(|to| *to == CacheExport::Inline) {
            return needs(&format!("spec.build.cache_to[{index}].inline"));
        }
    }
    let has_epoch = build.build_args.iter().any(|(name, _)| name == EPOCH);
    for (index, image) in images() {
        let at = format!("spec.build.exports[{index}].image");
        if image.rewrite_timestamp && !has_epoch {
            let problem = format!("needs the build argument {EPOCH}, which says what times become");
            return Err(InvalidField::new(format!("{at}.rewrite_timestamp"), problem));
        }
        if image.docker_media_types && !build.annotations.is_empty() {
            let problem = "do not go with `annotations`, which only OCI's have";
            return Err(InvalidField::new(format!("{at}.docker_media_types"), problem));
        }
    }
    Ok(())
}
