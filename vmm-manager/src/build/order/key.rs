//! What a build is of, in one digest: equal for equal requests of equal contexts, whatever they are
//! called, pushed to or cached in. Of a secret only its name is in it.

use super::options::options;
use crate::{
    digest::Hasher,
    guest::{BuildOptions, BuildPair},
    job::{Build, ContextSource, Dockerfile, ExportKind},
};

/// Before anything else, so that another way to make it makes another digest.
const VERSION: &str = "kiln build 2";

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
    key.options(options(build));
    key.row("platforms", &build.platforms);
    key.row("secrets", sorted(build.secrets.iter()));
    key.row("ssh", sorted(build.ssh.iter().map(|source| &source.id)));
    for export in &build.exports {
        match &export.kind {
            ExportKind::Image(image) => {
                let attributes = super::image_attributes(image);
                key.row("image", attributes.iter().flat_map(|(name, value)| [name, value]));
            }
            ExportKind::Tree { platform_split } => key.row("tree", [platform_split.to_string()]),
        }
    }
    key.0.finish()
}

fn sorted<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort();
    values
}

struct Key(Hasher);

impl Key {
    fn options(&mut self, options: BuildOptions) {
        let BuildOptions {
            target,
            build_args,
            labels,
            annotations,
            add_hosts,
            // Whether what is there already is looked at makes no difference to what is meant.
            no_cache: _,
            no_cache_filter: _,
            pull: _,
            no_network,
            shm_bytes,
            ulimits,
            allow,
            provenance,
            sbom,
        } = options;
        self.pairs("build args", build_args);
        self.pairs("labels", labels);
        self.pairs("annotations", annotations);
        self.pairs("hosts", add_hosts);
        self.row("ulimits", sorted(ulimits));
        self.row("allow", sorted(allow));
        let (network, shm) = (no_network.to_string(), shm_bytes.to_string());
        self.row("options", [target, network, shm, provenance, sbom]);
    }

    fn pairs(&mut self, name: &str, pairs: Vec<BuildPair>) {
        let pairs = sorted(pairs.into_iter().map(|pair| [pair.name, pair.value]));
        self.row(name, pairs.into_iter().flatten());
    }

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
