//! What a guest may have written.

use std::io::Write as _;

use kiln_registry::{
    build::Maker,
    digest::Digest,
    manifest::media,
    operate::{Built, IngestError},
};
use serde_json::{Value, json};

use crate::{
    stage::{Stage, TENANT},
    tars::{Tar, image_for, index, of},
};

pub(crate) const JOB: &str = "01arz3ndektsv4rrffq69g5fav";

pub(crate) fn maker() -> Maker {
    Maker::new(TENANT, JOB).unwrap()
}

impl Stage {
    /// From a disk that is longer than what was written to it, as disks are.
    pub(crate) async fn ingest(&self, tar: &[u8]) -> Result<Built, IngestError> {
        self.ingest_as(&maker(), tar).await
    }

    pub(crate) async fn ingest_as(&self, maker: &Maker, tar: &[u8]) -> Result<Built, IngestError> {
        let mut disk = tempfile::tempfile().unwrap();
        disk.write_all(tar).unwrap();
        disk.set_len(tar.len() as u64 + (1 << 20)).unwrap();
        self.images.ingest_build(maker, disk, tar.len() as u64).await
    }
}

/// As `buildx build --platform linux/amd64,linux/arm64 -o type=oci` writes it: an index of two images
/// and an attestation of each, blobs first.
pub(crate) struct Exported {
    pub(crate) tar: Tar,
    pub(crate) index: Value,
}

pub(crate) fn exported(name: &str, layers: usize) -> Exported {
    let (mut tar, mut entries) = (Tar::default(), Vec::new());
    for architecture in ["amd64", "arm64"] {
        let image = image_for(&format!("{name}-{architecture}"), layers, architecture);
        tar = image.onto(tar);
        let mut entry = image.entry(None);
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        let statement = format!("{{\"of\":\"{}\"}}", image.digest());
        let attestation = json!({
            "schemaVersion": 2, "mediaType": media::OCI_MANIFEST,
            "config": of(media::OCI_CONFIG, &json!({"architecture": "unknown", "os": "unknown"})),
            "layers": [{
                "mediaType": "application/vnd.in-toto+json", "size": statement.len(),
                "digest": Digest::of(statement.as_bytes()),
            }],
        });
        tar = tar
            .once(json!({"architecture": "unknown", "os": "unknown"}).to_string().as_bytes())
            .blob(statement.as_bytes())
            .json(&attestation);
        let mut attested = of(media::OCI_MANIFEST, &attestation);
        attested["platform"] = json!({"os": "unknown", "architecture": "unknown"});
        attested["annotations"] = json!({
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image.digest(),
        });
        entries.extend([entry, attested]);
    }
    let index = index(&entries);
    Exported { tar: tar.json(&index), index }
}

impl Exported {
    pub(crate) fn entry(&self) -> Value {
        let mut entry = of(media::OCI_INDEX, &self.index);
        entry["annotations"] = json!({
            "io.containerd.image.name": "docker.io/local/app:1",
            "org.opencontainers.image.ref.name": "1",
        });
        entry
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.index.to_string().as_bytes())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.tar.clone().layout(&index(&[self.entry()])).bytes()
    }

    /// With its documents before the blobs.
    pub(crate) fn documents_first(&self) -> Vec<u8> {
        let mut tar = Tar::default().layout(&index(&[self.entry()]));
        tar.0.extend(self.tar.0.clone());
        tar.bytes()
    }
}

impl Tar {
    /// What is there already is not written again.
    pub(crate) fn once(self, content: &[u8]) -> Self {
        if self.0.iter().any(|(_, found)| found == content) { self } else { self.blob(content) }
    }
}
