//! What a build is of, in one digest: equal for equal requests of equal contexts, whatever they are
//! called, pushed to or cached in. Of a secret only its name is in it.

use super::options::options;
use crate::{
    digest::Hasher,
    job::{Build, ContextSource, Dockerfile, ExportKind},
};

/// Before anything else, so that another way to make it makes another digest.
const VERSION: &str = "kiln build 1";

/// `sources` are the digests of the job's inputs, in their order.
pub fn cache_key(build: &Build, sources: &[String]) -> String {
    let mut key = Key(Hasher::default());
    key.row("version", [VERSION]);
    let digest = |input: &usize| sources.get(*input).map_or("", String::as_str);
    key.row("context", build.context.iter().map(digest));
    match &build.dockerfile {
        Dockerfile::InContext(path) => key.row("dockerfile", [path.as_str()]),
        Dockerfile::Inline(text) => key.row("inline", [&text[..]]),
    }
    for context in &build.contexts {
        let from = match &context.from {
            ContextSource::Input(input) => ["source", digest(input)],
            ContextSource::Reference(reference) => ["reference", reference],
        };
        key.row("named context", [context.name.as_str(), from[0], from[1]]);
    }
    // Whether what is there already is looked at makes no difference to what is meant.
    let fresh =
        Build { no_cache: false, no_cache_filter: Vec::new(), pull: false, ..build.clone() };
    let mut words = options(&fresh);
    words.sort();
    key.row("options", &words);
    key.row("platforms", &build.platforms);
    key.row("secrets", sorted(build.secrets.iter()));
    key.row("ssh", sorted(build.ssh.iter().map(|source| &source.id)));
    for export in &build.exports {
        let kind = match &export.kind {
            ExportKind::Image(image) => super::image_attributes(image),
            ExportKind::Tree { platform_split } => format!("tree {platform_split}"),
        };
        key.row("export", [kind]);
    }
    key.0.finish()
}

fn sorted<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

struct Key(Hasher);

impl Key {
    /// Counted, so that no two rows come to the same bytes.
    fn row<T: AsRef<[u8]>>(&mut self, name: &str, values: impl IntoIterator<Item = T>) {
        self.bytes(name.as_bytes());
        let values: Vec<T> = values.into_iter().collect();
        self.0.update(&(values.len() as u64).to_le_bytes());
        for value in &values {
            self.bytes(value.as_ref());
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}
