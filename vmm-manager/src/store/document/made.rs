//! What has become of a root filesystem.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::job::{
    RootfsRecord,
    rootfs::{Converted, MadeRootfs},
};

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Made {
    image_digest: String,
    is_stale: bool,
    counted: Option<Counted>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    digest: String,
    size_bytes: u64,
    manifest_digest: String,
    config_digest: String,
    platform: String,
    uuid: String,
    used_bytes: u64,
    free_bytes: u64,
    kernel_arguments: Vec<String>,
    freed_bytes: u64,
    secrets_removed: u32,
}

impl From<&RootfsRecord> for Made {
    fn from(record: &RootfsRecord) -> Self {
        let RootfsRecord { image_digest, is_stale, made } = record.clone();
        Self { image_digest, is_stale, counted: made.map(Counted::from) }
    }
}

impl From<Made> for Arc<RootfsRecord> {
    fn from(document: Made) -> Self {
        let Made { image_digest, is_stale, counted } = document;
        let made = counted.map(MadeRootfs::from);
        Self::new(RootfsRecord { image_digest, is_stale, made })
    }
}

impl From<MadeRootfs> for Counted {
    fn from(made: MadeRootfs) -> Self {
        let MadeRootfs { digest, size_bytes, converted } = made;
        let Converted {
            manifest_digest,
            config_digest,
            platform,
            uuid,
            used_bytes,
            free_bytes,
            kernel_arguments,
            freed_bytes,
            secrets_removed,
        } = converted;
        Self {
            digest,
            size_bytes,
            manifest_digest,
            config_digest,
            platform,
            uuid,
            used_bytes,
            free_bytes,
            kernel_arguments,
            freed_bytes,
            secrets_removed,
        }
    }
}

impl From<Counted> for MadeRootfs {
    fn from(document: Counted) -> Self {
        let Counted {
            digest,
            size_bytes,
            manifest_digest,
            config_digest,
            platform,
            uuid,
            used_bytes,
            free_bytes,
            kernel_arguments,
            freed_bytes,
            secrets_removed,
        } = document;
        let converted = Converted {
            manifest_digest,
            config_digest,
            platform,
            uuid,
            used_bytes,
            free_bytes,
            kernel_arguments,
            freed_bytes,
            secrets_removed,
        };
        Self { digest, size_bytes, converted }
    }
}
