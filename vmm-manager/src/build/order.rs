//! From what was asked to what the guest is told: the parts that go before a build, and the build.
//!
//! References that mean this host are told by the name under which guests reach its registry. Pure.

mod key;
mod options;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use kiln_net::control::{REGISTRY_NAME, REGISTRY_PORT};
use kiln_registry::operate::{Place, Reference};

pub use self::key::cache_key;
use super::{
    publish::cache_reference,
    secrets::{Secret, SecretKind},
};
use crate::{
    disk::output_serial,
    guest::{
        BuildCache, BuildCommand, BuildContext, BuildOutput, BuildPart, BuildPartKind, BuildSsh,
        build_output::Kind,
    },
    job::{
        Build, CacheExport, ContextSource, Dockerfile, Export, ExportKind, ImageExport, JobId,
        JobSpec,
    },
};

/// Where it stands with the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where its log ends.
    pub output_offset: u64,
    /// It may have been begun by an earlier kilnd.
    pub resumed: bool,
    /// For the agent to begin it.
    pub start_limit: Duration,
}

/// `secrets` are all that it needs, or none where an earlier kilnd had them.
pub fn command(
    job: &JobId,
    spec: &JobSpec,
    build: &Build,
    secrets: &[Secret],
    standing: Standing,
) -> BuildCommand {
    let Standing { output_offset, resumed, start_limit } = standing;
    let input = |input: &usize| spec.inputs.get(*input).map(|disk| disk.path.clone());
    let context = |from: &ContextSource| match from {
        ContextSource::Input(place) => BuildContext::Path(input(place).unwrap_or_default()),
        ContextSource::Reference(reference) => BuildContext::Reference(context(reference)),
    };
    let (dockerfile, inline) = match &build.dockerfile {
        Dockerfile::InContext(path) => (Some(path.clone()), None),
        Dockerfile::Inline(text) => (None, Some(text.clone())),
    };
    let ssh = build.ssh.iter().map(|one| BuildSsh { id: one.id.clone(), relayed: !one.key });
    let outputs = build.exports.iter().map(|export| output(spec, build, export));
    let imports = build.cache_from.iter();
    let exports = build.cache_to.iter().enumerate();
    BuildCommand {
        id: job.to_string(),
        output_offset,
        timeout: spec.timeout,
        start_limit,
        resumed,
        parts: parts(secrets, inline),
        context: build.context.as_ref().and_then(input),
        dockerfile,
        options: options::options(build),
        contexts: build.contexts.iter().map(|one| (one.name.clone(), context(&one.from))).collect(),
        secrets: build.secrets.clone(),
        ssh: ssh.collect(),
        outputs: outputs.collect(),
        cache_from: imports.map(|import| inside(&import.reference)).collect(),
        cache_to: exports.filter_map(|(at, export)| cache_export(job, at, export)).collect(),
        platforms: build.platforms.clone(),
    }
}

fn parts(secrets: &[Secret], dockerfile: Option<Bytes>) -> Vec<BuildPart> {
    let secrets = secrets.iter().map(|secret| {
        let kind = match secret.kind {
            SecretKind::Secret => BuildPartKind::Secret,
            SecretKind::SshKey => BuildPartKind::SshKey,
        };
        let data = Bytes::copy_from_slice(secret.expose());
        BuildPart { kind, name: secret.id.clone(), data }
    });
    let dockerfile = dockerfile.map(|data| BuildPart {
        kind: BuildPartKind::Dockerfile,
        name: String::new(),
        data,
    });
    secrets.chain(dockerfile).collect()
}

/// As the guest reaches it. What is no reference the engine refuses in its own words.
fn inside(reference: &str) -> String {
    match reference.parse::<Reference>() {
        Ok(parsed) if parsed.place == Place::Local => {
            format!("{REGISTRY_NAME}:{REGISTRY_PORT}/{parsed}")
        }
        _ => reference.to_owned(),
    }
}

fn context(reference: &str) -> String {
    const IMAGE: &str = "docker-image://";
    match reference.strip_prefix(IMAGE) {
        Some(image) => format!("{IMAGE}{}", inside(image)),
        None => reference.to_owned(),
    }
}

fn output(spec: &JobSpec, build: &Build, export: &Export) -> BuildOutput {
    let path = spec.outputs.get(export.output).map(|output| output.path.clone());
    let (kind, attributes) = match &export.kind {
        ExportKind::Image(image) => (Kind::Oci, image_attributes(image)),
        // It splits where there are several platforms, unless it is told not to.
        ExportKind::Tree { platform_split } if build.platforms.len() > 1 => {
            (Kind::Tar, attributes([("platform-split", platform_split.to_string())]))
        }
        ExportKind::Tree { .. } => (Kind::Tar, Attributes::new()),
    };
    BuildOutput {
        disk: output_serial(export.output),
        path: path.unwrap_or_default(),
        kind: kind.into(),
        attributes,
    }
}

/// In the engine's words.
type Attributes = BTreeMap<String, String>;

fn attributes<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> Attributes {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Names are the host's to give: the engine knows of none.
fn image_attributes(image: &ImageExport) -> Attributes {
    let ImageExport {
        names: _,
        push: _,
        push_by_digest: _,
        compression,
        compression_level,
        force_compression,
        rewrite_timestamp,
        docker_media_types,
    } = image;
    let yes = |set: &bool| set.then(|| true.to_string());
    let told = [
        ("oci-mediatypes", Some((!docker_media_types).to_string())),
        ("compression", compression.map(|compression| compression.name().to_owned())),
        ("compression-level", compression_level.map(|level| level.to_string())),
        ("force-compression", yes(force_compression)),
        ("rewrite-timestamp", yes(rewrite_timestamp)),
    ];
    attributes(told.into_iter().filter_map(|(name, value)| Some((name, value?))))
}

fn cache_export(job: &JobId, at: usize, export: &CacheExport) -> Option<BuildCache> {
    match export {
        CacheExport::Inline => Some(BuildCache::default()),
        CacheExport::Registry { reference: _, max, compression, ignore_error } => {
            let mut told = attributes([
                ("mode", if *max { "max" } else { "min" }.to_owned()),
                // An index that lists layers is none that a registry has to take.
                ("image-manifest", true.to_string()),
            ]);
            if let Some(compression) = compression {
                told.extend(attributes([
                    ("compression", compression.name().to_owned()),
                    ("force-compression", true.to_string()),
                ]));
            }
            if *ignore_error {
                told.extend(attributes([("ignore-error", true.to_string())]));
            }
            Some(BuildCache { reference: cache_reference(job, at)?, attributes: told })
        }
    }
}

#[cfg(test)]
mod tests;
