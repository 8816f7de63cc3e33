//! An image made for a test.

use std::{fs, io::Write as _, path::Path};

use kiln_forge::Forge;
use kiln_rootfs::{Compression, Digest};
use serde_json::{Value, json};

pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// What is stored under its digest, and the index above it.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub blobs: Vec<Vec<u8>>,
    pub manifests: Vec<Value>,
}

impl Layout {
    /// One image of these layers.
    pub fn of(layers: &[Vec<u8>], compression: Compression) -> Self {
        let mut layout = Self::default();
        layout.image("latest", "amd64", layers, compression);
        layout
    }

    pub fn image(
        &mut self,
        name: &str,
        architecture: &str,
        layers: &[Vec<u8>],
        compression: Compression,
    ) {
        let packed: Vec<_> = layers.iter().map(|layer| pack(layer, compression)).collect();
        self.packed(name, architecture, layers, packed);
    }

    pub fn packed(
        &mut self,
        name: &str,
        architecture: &str,
        layers: &[Vec<u8>],
        packed: Vec<Vec<u8>>,
    ) {
        self.configured(name, &config(architecture, layers), packed);
    }

    pub fn configured(&mut self, name: &str, config: &Value, packed: Vec<Vec<u8>>) {
        let platform = json!({ "os": "linux", "architecture": config["architecture"] });
        let config = self.json(CONFIG, config);
        let kind = |blob: &[u8]| match blob {
            [0x1f, 0x8b, ..] => format!("{LAYER}+gzip"),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => format!("{LAYER}+zstd"),
            _ => LAYER.to_owned(),
        };
        let layers: Vec<_> = packed.into_iter().map(|blob| self.blob(&kind(&blob), blob)).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
        });
        let mut descriptor = self.json(MANIFEST, &manifest);
        descriptor["platform"] = platform;
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        self.manifests.push(descriptor);
    }

    /// Stores what a descriptor then tells of.
    pub fn json(&mut self, media_type: &str, value: &Value) -> Value {
        self.blob(media_type, serde_json::to_vec(value).unwrap())
    }

    pub fn blob(&mut self, media_type: &str, blob: Vec<u8>) -> Value {
        let digest = Digest::of(&blob).to_string();
        let descriptor = json!({ "mediaType": media_type, "digest": digest, "size": blob.len() });
        self.blobs.push(blob);
        descriptor
    }

    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let index = json!({ "schemaVersion": 2, "manifests": self.manifests });
        let mut files = vec![
            ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
            ("index.json".to_owned(), serde_json::to_vec(&index).unwrap()),
        ];
        let blobs = self.blobs.iter();
        files.extend(
            blobs.map(|blob| (format!("blobs/sha256/{}", Digest::of(blob).hex()), blob.clone())),
        );
        files
    }

    pub fn write(&self, directory: &Path) {
        for (name, bytes) in self.files() {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    pub fn write_tar(&self, path: &Path) {
        write_tar(path, &self.files());
    }
}

pub fn config(architecture: &str, layers: &[Vec<u8>]) -> Value {
    let diffs: Vec<_> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    json!({
        "architecture": architecture, "os": "linux",
        "config": { "Cmd": ["/bin/sh"] },
        "rootfs": { "type": "layers", "diff_ids": diffs },
    })
}

pub fn write_tar(path: &Path, files: &[(String, Vec<u8>)]) {
    let forge = Forge::default().member(b'5', "blobs/", "", 0o755, b"");
    let archive = files
        .iter()
        .fold(forge, |forge, (name, bytes)| forge.member(b'0', name, "", 0o644, bytes))
        .end();
    fs::write(path, archive).unwrap();
}

pub fn pack(layer: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::Plain => layer.to_vec(),
        Compression::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(layer).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => zstd::encode_all(layer, 3).unwrap(),
    }
}
