//! Tars of images, honest and otherwise.

use kiln_registry::{digest::Digest, manifest::media};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

/// The files of a tar, in their order.
#[derive(Clone, Default)]
pub(crate) struct Tar(pub(crate) Vec<(String, Vec<u8>)>);

impl Tar {
    pub(crate) fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.0.push((path.to_owned(), content.into()));
        self
    }

    pub(crate) fn blob(self, content: &[u8]) -> Self {
        let path = format!("blobs/sha256/{}", Digest::of(content).hex());
        self.file(&path, content)
    }

    pub(crate) fn json(self, value: &Value) -> Self {
        self.blob(value.to_string().as_bytes())
    }

    pub(crate) fn layout(self, index: &Value) -> Self {
        self.file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
            .file("index.json", index.to_string())
    }

    pub(crate) fn without(mut self, content: &[u8]) -> Self {
        self.0.retain(|(_, found)| found != content);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (path, content) in &self.0 {
            let mut header = Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, &content[..]).unwrap();
        }
        builder.into_inner().unwrap()
    }
}

pub(crate) fn descriptor(media_type: &str, content: &[u8]) -> Value {
    let digest = Digest::of(content).to_string();
    json!({"mediaType": media_type, "digest": digest, "size": content.len()})
}

pub(crate) fn of(media_type: &str, value: &Value) -> Value {
    descriptor(media_type, value.to_string().as_bytes())
}

/// One image of as many layers, each a tar of its own.
pub(crate) struct Built {
    pub(crate) config: Value,
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) manifest: Value,
}

pub(crate) fn image(name: &str, layers: usize) -> Built {
    image_for(name, layers, "amd64")
}

pub(crate) fn image_for(name: &str, layers: usize, architecture: &str) -> Built {
    let layer = |number: usize| layer(&format!("{name}-{number}"), 3000 * number);
    let layers: Vec<_> = (0..layers).map(layer).collect();
    let diffs: Vec<_> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = json!({
        "os": "linux", "architecture": architecture, "config": {"Cmd": [name]},
        "rootfs": {"type": "layers", "diff_ids": diffs},
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST,
        "config": of(media::OCI_CONFIG, &config),
        "layers": layers.iter().map(|layer| descriptor(media::OCI_LAYER, layer)).collect::<Vec<_>>(),
    });
    Built { config, layers, manifest }
}

pub(crate) fn layer(name: &str, size: usize) -> Vec<u8> {
    Tar::default().file(&format!("files/{name}"), name.repeat(size / name.len() + 1)).bytes()
}

impl Built {
    pub(crate) fn onto(&self, tar: Tar) -> Tar {
        let tar = self.layers.iter().fold(tar, |tar, layer| tar.blob(layer));
        tar.json(&self.config).json(&self.manifest)
    }

    /// Of all of it.
    pub(crate) fn size(&self) -> u64 {
        let documents = [self.config.to_string().len(), self.manifest.to_string().len()];
        let all: usize = self.layers.iter().map(Vec::len).chain(documents).sum();
        all as u64
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.manifest.to_string().as_bytes())
    }

    pub(crate) fn entry(&self, name: Option<&str>) -> Value {
        let mut entry = of(media::OCI_MANIFEST, &self.manifest);
        if let Some(name) = name {
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        }
        entry
    }

    /// With its documents behind the blobs, as skopeo writes them.
    pub(crate) fn layout(&self, name: Option<&str>) -> Tar {
        self.onto(Tar::default()).layout(&index(&[self.entry(name)]))
    }

    /// As older dockers save it: a directory for each layer.
    pub(crate) fn saved(&self, names: &[&str]) -> Tar {
        let config = format!("{}.json", Digest::of(self.config.to_string().as_bytes()).hex());
        let mut tar = Tar::default().file(&config, self.config.to_string());
        let mut paths = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let path = format!("layer{number}/layer.tar");
            tar = tar.file(&format!("layer{number}/VERSION"), "1.0").file(&path, &layer[..]);
            paths.push(path);
        }
        let documents = json!([{"Config": config, "RepoTags": names, "Layers": paths}]);
        tar.file("manifest.json", documents.to_string()).file("repositories", "{}")
    }
}

pub(crate) fn index(manifests: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": manifests})
}

pub(crate) fn for_platform(mut entry: Value, architecture: &str) -> Value {
    entry["platform"] = json!({"os": "linux", "architecture": architecture});
    entry
}

/// A file that is a symbolic link.
pub(crate) fn link(path: &str, to: &str) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, path, to).unwrap();
    let mut bytes = builder.into_inner().unwrap();
    // Without the end of the archive: something follows.
    bytes.truncate(512);
    bytes
}
