//! What the host's registry refused a machine, or could not bring it.

use std::time::SystemTime;

use super::{Evidence, Refusals, Suspect, is_soon, last_word};
use crate::{
    job::{Failure, FailureClass},
    registry::{Refused, RegistryRecord},
};

/// As references name it, and who answers for it.
pub(super) const DOCKER: &str = "docker.io";
pub(super) const DOCKER_REGISTRY: &str = "registry-1.docker.io";
/// Of our own words: fewer may stand anywhere.
const TELLING_BYTES: usize = 24;

pub(super) fn suspect<'a>(
    refusals: Refusals<'a>,
    tail: &str,
    ended_at: SystemTime,
) -> Option<Suspect<&'a Refused>> {
    let record = refusals.registry?;
    let candidates: Vec<_> =
        record.refusals.iter().filter(|refused| !is_mended(refused, record)).collect();
    named_last(&candidates, tail).or_else(|| last_of_all(refusals, &candidates, ended_at))
}

/// The one that the output named last.
fn named_last<'a>(candidates: &[&'a Refused], tail: &str) -> Option<Suspect<&'a Refused>> {
    let named = |refused: &&'a Refused| {
        let place = names(refused).iter().filter_map(|name| last_word(tail, name)).max();
        let words = refused.reason.to_ascii_lowercase();
        let told = (words.len() >= TELLING_BYTES).then(|| tail.rfind(&words)).flatten();
        let place = place.max(told)?;
        Some(Suspect { refusal: *refused, evidence: Evidence::Named { place } })
    };
    // Of several at one place the latest: what came before it was tried in another way.
    candidates
        .iter()
        .filter_map(named)
        .max_by_key(|suspect| (suspect.evidence, suspect.refusal.last))
}

fn last_of_all<'a>(
    refusals: Refusals<'a>,
    candidates: &[&'a Refused],
    ended_at: SystemTime,
) -> Option<Suspect<&'a Refused>> {
    let refusal = candidates.iter().max_by_key(|refused| refused.last)?;
    let last = refusal.last;
    let served = refusals.registry.iter().flat_map(|record| &record.materials);
    let flows = refusals.network.iter().flat_map(|record| &record.flows);
    let is_last =
        served.map(|one| one.last).chain(flows.map(|flow| flow.last)).all(|other| other <= last);
    let evidence = Evidence::Last(last);
    (is_last && is_soon(last, ended_at)).then_some(Suspect { refusal, evidence })
}

/// It was served later under the same name, or from the same repository at all where nothing else
/// was wrong with it than that it was not there: a client looks before it pushes.
fn is_mended(refused: &Refused, record: &RegistryRecord) -> bool {
    let is_a_look = refused.code.ends_with("_UNKNOWN");
    record.materials.iter().any(|served| {
        let is_same = served.tag.as_ref() == Some(&refused.target)
            || served.digest.to_string() == refused.target;
        served.last >= refused.last
            && served.registry == refused.registry
            && served.repository == refused.repository
            && (is_same || is_a_look)
    })
}

/// As an output may name it.
fn names(refused: &Refused) -> Vec<String> {
    let Refused { registry, repository, target, .. } = refused;
    let mut names = Vec::new();
    if let Some(host) = registry {
        names.extend([host.to_string(), host.name().to_owned()]);
        if host.as_str() == DOCKER {
            names.push(DOCKER_REGISTRY.to_owned());
        }
    }
    // A name of one word may mean anything.
    if repository.contains('/') {
        names.push(repository.to_ascii_lowercase());
    }
    if !repository.is_empty() && !target.is_empty() {
        let joint = if target.contains(':') { '@' } else { ':' };
        names.push(format!("{repository}{joint}{target}").to_ascii_lowercase());
    }
    names
}

pub(super) fn denied(failure: Failure, refused: &Refused) -> Failure {
    let Failure { class: _, message, details } = failure;
    let Refused { registry, repository, target, code, reason, upstream_status, .. } = refused;
    let host = registry.as_ref().map(ToString::to_string);
    let what = match (&host, target.is_empty()) {
        (Some(host), _) => format!("{host}/{repository}"),
        (None, _) => repository.clone(),
    };
    let words = format!("{message}, after the host's registry did not serve {what}: {reason}");
    let mut denied = Failure::new(FailureClass::Registry, words);
    denied.details = details;
    denied = denied.with("repository", repository).with("code", code);
    if let Some(host) = host {
        denied = denied.with("host", host);
    }
    if let Some(seconds) = refused.retry_after_seconds {
        denied = denied.with("retry_after_seconds", seconds);
    }
    match upstream_status.or_else(|| answered(code)) {
        Some(status) => denied.with("status", status),
        None => denied,
    }
}

/// By this host, where it did not have to ask: of codes that it answers with one status alone.
fn answered(code: &str) -> Option<u16> {
    match code {
        "DENIED" => Some(403),
        "BLOB_UNKNOWN" | "MANIFEST_UNKNOWN" | "NAME_UNKNOWN" => Some(404),
        "TOOMANYREQUESTS" => Some(429),
        _ => None,
    }
}
