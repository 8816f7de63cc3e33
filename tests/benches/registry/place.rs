//! A repository of a registry, and what clients do with it.

use std::net::SocketAddr;

use anyhow::ensure;
use sha2::{Digest as _, Sha256};

use super::{
    blob::{Blob, Material, digest},
    connection::Connection,
};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BYTES: &str = "Content-Type: application/octet-stream\r\n";

#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    /// As the registry at the address calls it.
    pub(crate) repository: String,
}

impl Place {
    pub(crate) fn open(&self) -> anyhow::Result<Connection> {
        Connection::open(self.address)
    }

    fn path(&self, rest: &str) -> String {
        format!("/v2/{}/{rest}", self.repository)
    }

    /// As containerd does: an upload, and all of it at once.
    pub(crate) fn push(
        &self,
        connection: &mut Connection,
        blob: &Blob,
        material: &Material,
    ) -> anyhow::Result<()> {
        let begin = self.path("blobs/uploads/");
        let begun = connection.ask("POST", &begin, "", std::iter::empty())?;
        connection.body(&begun, |_| {})?;
        ensure!(begun.status == 202, "POST {begin}: {}", begun.status);
        let joint = if begun.location.contains('?') { '&' } else { '?' };
        let upload = format!("{}{joint}digest={}", begun.location, blob.digest);
        let parts: Vec<_> = blob.parts(material).collect();
        let done = connection.ask("PUT", &upload, BYTES, parts.into_iter())?;
        connection.body(&done, |_| {})?;
        ensure!(done.status == 201, "PUT {upload}: {}", done.status);
        Ok(())
    }

    pub(crate) fn pull(&self, connection: &mut Connection, blob: &Blob) -> anyhow::Result<()> {
        let length = connection.get(&self.path(&format!("blobs/{}", blob.digest)), "", |_| {})?;
        ensure!(length == blob.size as u64, "{} has {length} bytes", blob.digest);
        Ok(())
    }

    /// As clients do who do not trust the registry.
    pub(crate) fn pull_and_hash(
        &self,
        connection: &mut Connection,
        blob: &Blob,
    ) -> anyhow::Result<()> {
        let mut hash = Sha256::new();
        let path = self.path(&format!("blobs/{}", blob.digest));
        connection.get(&path, "", |part| hash.update(part))?;
        ensure!(digest(hash) == blob.digest, "{path} is something else");
        Ok(())
    }

    /// The first one is its configuration.
    pub(crate) fn push_manifest(
        &self,
        connection: &mut Connection,
        tag: &str,
        blobs: &[Blob],
    ) -> anyhow::Result<()> {
        let descriptor = |media_type: &str, blob: &Blob| {
            serde_json::json!({
                "mediaType": format!("application/vnd.oci.image.{media_type}"),
                "digest": blob.digest,
                "size": blob.size,
            })
        };
        let layers: Vec<_> =
            blobs[1..].iter().map(|blob| descriptor("layer.v1.tar+gzip", blob)).collect();
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("config.v1+json", &blobs[0]),
            "layers": layers,
        });
        let manifest = manifest.to_string();
        let path = self.path(&format!("manifests/{tag}"));
        let headers = format!("Content-Type: {MANIFEST}\r\n");
        let done = connection.ask("PUT", &path, &headers, std::iter::once(manifest.as_bytes()))?;
        let mut words = Vec::new();
        connection.body(&done, |part| words.extend_from_slice(part))?;
        let words = String::from_utf8_lossy(&words);
        ensure!(done.status == 201, "PUT {path}: {} {words}", done.status);
        Ok(())
    }

    pub(crate) fn pull_manifest(
        &self,
        connection: &mut Connection,
        tag: &str,
    ) -> anyhow::Result<()> {
        let path = self.path(&format!("manifests/{tag}"));
        connection.get(&path, &format!("Accept: {MANIFEST}\r\n"), |_| {})?;
        Ok(())
    }
}
