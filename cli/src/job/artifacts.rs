//! What a build or a conversion has left behind: `kiln job outputs` and `kiln job download` of them.

use std::fmt::Write;

use kiln_proto::v1;
use serde::Serialize;

use crate::{
    daemon::{Daemon, DaemonError},
    display::{printable, size},
    output,
};

const HEADER: &str =
    "NAME                SIZE        TYPE                                         IMAGE\n";

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Artifact {
    pub(super) name: String,
    media_type: String,
    size_bytes: u64,
    /// `None`: it is put together while it is read.
    digest: Option<String>,
    image_digest: Option<String>,
    expired: bool,
}

impl From<v1::Artifact> for Artifact {
    fn from(wire: v1::Artifact) -> Self {
        let v1::Artifact { name, media_type, size_bytes, digest, image_digest, expired } = wire;
        let known = |text: String| (!text.is_empty()).then_some(text);
        let (digest, image_digest) = (known(digest), known(image_digest));
        Self { name, media_type, size_bytes, digest, image_digest, expired }
    }
}

pub(super) async fn list(daemon: &Daemon, id: &str) -> Result<Vec<Artifact>, DaemonError> {
    Ok(daemon.artifacts(id).await?.into_iter().map(Artifact::from).collect())
}

pub(super) async fn print(daemon: &Daemon, id: &str, json: bool) -> anyhow::Result<u8> {
    let artifacts = list(daemon, id).await?;
    if json {
        for artifact in &artifacts {
            output::print_json(artifact)?;
        }
    } else {
        output::print(table(&artifacts).as_bytes())?;
    }
    Ok(0)
}

fn table(artifacts: &[Artifact]) -> String {
    let mut table = HEADER.to_owned();
    for artifact in artifacts {
        let Artifact { name, media_type, size_bytes, digest: _, image_digest, expired } = artifact;
        let (name, kind, bytes) = (printable(name), printable(media_type), size(*size_bytes));
        let image = image_digest.as_deref().unwrap_or("-");
        let expired = if *expired { " (expired)" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{name:<18}  {bytes:<10}  {kind:<43}  {image}{expired}");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_their_names() {
        let artifact = Artifact::from(v1::Artifact {
            name: "image.oci.tar".to_owned(),
            media_type: "application/vnd.oci.image.layout.v1+tar".to_owned(),
            size_bytes: 2048,
            digest: String::new(),
            image_digest: "sha256:ab".to_owned(),
            expired: true,
        });
        let expected = "image.oci.tar       2 KiB       application/vnd.oci.image.layout.v1+tar      \
                        sha256:ab (expired)\n";
        assert_eq!(table(&[artifact]), format!("{HEADER}{expected}"));
    }
}
