//! What the host's registry served to the guest, and what it refused.

use super::{Story, plural};
use crate::{
    display::size,
    record::{Material, RegistryRecord, RegistryRefusal},
};

pub(super) fn record(story: &mut Story, record: &RegistryRecord) {
    let RegistryRecord { materials, refusals, more_materials, more_refusals, incomplete } = record;
    // Manifests are what was asked for; their blobs are counted.
    let (blobs, manifests): (Vec<_>, Vec<_>) =
        materials.iter().partition(|material| material.kind == "blob");
    let lines = manifests.iter().map(|manifest| line(manifest));
    story.list("Images", lines, manifests.len(), *more_materials);
    if !blobs.is_empty() {
        let bytes = blobs.iter().map(|blob| blob.bytes).fold(0, u64::saturating_add);
        story.line("Blobs", &format!("{}, {}", blobs.len(), size(bytes)));
    }
    story.list("Not served", refusals.iter().map(refusal), refusals.len(), *more_refusals);
    if let Some(why) = incomplete {
        story.line("Not recorded", why);
    }
}

fn line(material: &Material) -> String {
    let Material { registry, repository, tag, digest, origin, .. } = material;
    let tag = tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
    let name = named(registry.as_deref(), repository);
    format!("{name}{tag}@{digest}, {}", in_words(origin))
}

fn refusal(refusal: &RegistryRefusal) -> String {
    let RegistryRefusal {
        registry, repository, target, code, reason, upstream_status, times, ..
    } = refusal;
    let status = upstream_status.map(|status| format!(", status {status}")).unwrap_or_default();
    let name = named(registry.as_deref(), repository);
    let what = match target.as_str() {
        "" => name,
        target if target.contains(':') => format!("{name}@{target}"),
        target => format!("{name}:{target}"),
    };
    // Guests chose the words, and each is one line here.
    let text = format!("{what}: {reason} ({code}{status}), {}", plural(*times, "time"));
    text.replace('\n', "\\n")
}

fn named(registry: Option<&str>, repository: &str) -> String {
    match registry {
        Some(registry) => format!("{registry}/{repository}"),
        None => repository.to_owned(),
    }
}

/// A newer kilnd's word is shown as it is.
fn in_words(origin: &str) -> &str {
    match origin {
        "local" => "of this host",
        "fetched" => "brought for this job",
        "confirmed" => "stored here, and confirmed by its registry",
        "stale" => "stored here, and its registry was not asked or did not answer",
        newer => newer,
    }
}
