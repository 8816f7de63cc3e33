//! What leaves a build: its exports, and its caches.

use serde::{Deserialize, Serialize};

use crate::job::{CacheExport, Compression, Export, ExportKind, ImageExport};

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportDocument {
    name: String,
    output: usize,
    kind: Kind,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Kind {
    Image {
        names: Vec<String>,
        push: bool,
        push_by_digest: bool,
        compression: Option<CompressionName>,
        compression_level: Option<u32>,
        force_compression: bool,
        rewrite_timestamp: bool,
        docker_media_types: bool,
    },
    Tree {
        platform_split: bool,
    },
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum CacheTo {
    Inline,
    Registry {
        reference: String,
        max: bool,
        compression: Option<CompressionName>,
        ignore_error: bool,
    },
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CompressionName {
    Uncompressed,
    Gzip,
    Estargz,
    Zstd,
}

impl From<Export> for ExportDocument {
    fn from(Export { name, output, kind }: Export) -> Self {
        let kind = match kind {
            ExportKind::Image(image) => {
                let ImageExport {
                    names,
                    push,
                    push_by_digest,
                    compression,
                    compression_level,
                    force_compression,
                    rewrite_timestamp,
                    docker_media_types,
                } = image;
                Kind::Image {
                    names,
                    push,
                    push_by_digest,
                    compression: compression.map(CompressionName::from),
                    compression_level,
                    force_compression,
                    rewrite_timestamp,
                    docker_media_types,
                }
            }
            ExportKind::Tree { platform_split } => Kind::Tree { platform_split },
        };
        Self { name, output, kind }
    }
}

impl From<ExportDocument> for Export {
    fn from(ExportDocument { name, output, kind }: ExportDocument) -> Self {
        let kind = match kind {
            Kind::Image {
                names,
                push,
                push_by_digest,
                compression,
                compression_level,
                force_compression,
                rewrite_timestamp,
                docker_media_types,
            } => ExportKind::Image(ImageExport {
                names,
                push,
                push_by_digest,
                compression: compression.map(Compression::from),
                compression_level,
                force_compression,
                rewrite_timestamp,
                docker_media_types,
            }),
            Kind::Tree { platform_split } => ExportKind::Tree { platform_split },
        };
        Self { name, output, kind }
    }
}

impl From<CacheExport> for CacheTo {
    fn from(cache: CacheExport) -> Self {
        match cache {
            CacheExport::Inline => Self::Inline,
            CacheExport::Registry { reference, max, compression, ignore_error } => {
                let compression = compression.map(CompressionName::from);
                Self::Registry { reference, max, compression, ignore_error }
            }
        }
    }
}

impl From<CacheTo> for CacheExport {
    fn from(cache: CacheTo) -> Self {
        match cache {
            CacheTo::Inline => Self::Inline,
            CacheTo::Registry { reference, max, compression, ignore_error } => {
                let compression = compression.map(Compression::from);
                Self::Registry { reference, max, compression, ignore_error }
            }
        }
    }
}

impl From<Compression> for CompressionName {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::Uncompressed => Self::Uncompressed,
            Compression::Gzip => Self::Gzip,
            Compression::Estargz => Self::Estargz,
            Compression::Zstd => Self::Zstd,
        }
    }
}

impl From<CompressionName> for Compression {
    fn from(name: CompressionName) -> Self {
        match name {
            CompressionName::Uncompressed => Self::Uncompressed,
            CompressionName::Gzip => Self::Gzip,
            CompressionName::Estargz => Self::Estargz,
            CompressionName::Zstd => Self::Zstd,
        }
    }
}
