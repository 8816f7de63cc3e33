//! An image made for a test, in any of the forms that images come in.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kiln_rootfs::{Compression, Digest};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::layout::{self, Layout};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Directory,
    Archive,
    Docker,
}

/// What an image is made of.
#[derive(Clone, Debug)]
pub struct Picture {
    pub layers: Vec<Vec<u8>>,
    pub config: Value,
    pub form: Form,
    /// Of the layers in turn, and again from the first.
    pub compressions: &'static [Compression],
}

/// It lies on a disk, and goes with this.
#[derive(Debug)]
pub struct Hung {
    place: TempDir,
}

impl Picture {
    pub fn of(layers: Vec<Vec<u8>>) -> Self {
        let config = layout::config("amd64", &layers);
        Self { layers, config, form: Form::Directory, compressions: &[Compression::Gzip] }
    }

    #[must_use]
    pub fn form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    #[must_use]
    pub fn packed(self, compressions: &'static [Compression]) -> Self {
        Self { compressions, ..self }
    }

    /// What is to be run, as the image's configuration has it.
    #[must_use]
    pub fn runs(mut self, run: Value) -> Self {
        self.config["config"] = run;
        self
    }

    pub fn layout(&self) -> Layout {
        let compressions = self.compressions.iter().cycle();
        let packed = self.layers.iter().zip(compressions);
        let packed = packed.map(|(layer, compression)| layout::pack(layer, *compression));
        let mut layout = Layout::default();
        layout.configured("latest", &self.config, packed.collect());
        layout
    }

    pub fn hang(&self) -> Hung {
        let hung = Hung { place: tempfile::tempdir().unwrap() };
        match self.form {
            Form::Directory => self.layout().write(&hung.image()),
            Form::Archive => self.layout().write_tar(&hung.image()),
            Form::Docker => self.write_docker(&hung.image()),
        }
        hung
    }

    /// As older dockers save it.
    fn write_docker(&self, path: &Path) {
        let config = serde_json::to_vec(&self.config).unwrap();
        let name = format!("{}.json", Digest::of(&config).hex());
        let layers = self.layers.iter().enumerate();
        let mut files: Vec<_> = layers
            .map(|(number, layer)| (format!("{number:03}/layer.tar"), layer.clone()))
            .collect();
        let names: Vec<_> = files.iter().map(|(name, _)| name).collect();
        let list = json!([{ "Config": name, "RepoTags": ["kiln:latest"], "Layers": names }]);
        files.push(("manifest.json".to_owned(), serde_json::to_vec(&list).unwrap()));
        files.push((name, config));
        layout::write_tar(path, &files);
    }
}

impl Hung {
    pub fn image(&self) -> PathBuf {
        self.place.path().join("image")
    }

    /// A place beside the image.
    pub fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// All that lies beside the image.
    pub fn beside(&self) -> Vec<String> {
        let entries = fs::read_dir(self.place.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "image").collect();
        names.sort();
        names
    }
}
