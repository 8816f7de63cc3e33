//! What was not to be had from outside: an image, a cache, what a step asked for.

use kiln_registry::name::Host;

use super::{Evidence, refused, words::Kind};
use crate::{
    job::{Failure, FailureClass},
    registry::{Refused, RegistryRecord},
};

/// With these words the host's registry says that a policy forbids it.
const POLICY: &str = "the egress policy ";

/// The failure, with who refused what.
pub(super) fn explained(
    failure: Failure,
    kind: Kind,
    message: &str,
    evidence: Evidence<'_>,
) -> Failure {
    let explained = refused(failure, message, evidence);
    match (explained.class, kind) {
        (FailureClass::Registry, _) => {
            match evidence.refusals.registry.and_then(|record| policy(record, &explained)) {
                Some(refused) => denied(explained, refused),
                None => explained,
            }
        }
        // Nobody here refused it: the guest says so.
        (FailureClass::User, Kind::Image { reference, status }) => {
            let failure = Failure { class: FailureClass::Registry, ..explained };
            let failure = match status {
                Some(status) => failure.with("status", status),
                None => failure,
            };
            match reference.as_deref().and_then(parts) {
                Some((host, repository)) => {
                    failure.with("host", host).with("repository", repository)
                }
                None => failure,
            }
        }
        (FailureClass::User, Kind::Cache) => {
            Failure { class: FailureClass::Registry, ..explained }.with("reason", "cache")
        }
        _ => explained,
    }
}

/// The refusal that the failure is about, if a policy is behind it.
fn policy<'a>(record: &'a RegistryRecord, failure: &Failure) -> Option<&'a Refused> {
    record.refusals.iter().find(|refused| {
        let of = |name: &'static str| failure.details.get(name).map(String::as_str);
        refused.upstream_status.is_none()
            && refused.reason.starts_with(POLICY)
            && of("repository") == Some(&refused.repository)
            && of("host") == refused.registry.as_ref().map(Host::as_str)
    })
}

fn denied(mut failure: Failure, refused: &Refused) -> Failure {
    failure.class = FailureClass::EgressDenied;
    // It is this host's own answer, and no registry's.
    for name in ["status", "code"] {
        failure.details.remove(name);
    }
    let host = refused.registry.as_ref().map(ToString::to_string).unwrap_or_default();
    failure.with("host", host).with("egress", "not_allowed")
}

/// Host and repository of a reference that is whole, as the engine shows one.
fn parts(reference: &str) -> Option<(&str, &str)> {
    let (host, name) = reference.split_once('/')?;
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let name = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    };
    (!host.is_empty() && !name.is_empty()).then_some((host, name))
}
