//! Which answers are refusals, and how the ledger is told.

use std::time::SystemTime;

use hyper::Method;

use super::{
    exchange::Exchange,
    place::Place,
    route::{self, Resource, Route},
};
use crate::{
    digest::Digest,
    name::Target,
    problem::{Code, Problem, escaped},
    record::Refusal,
};

const MAX_NAME_BYTES: usize = 255;
const MAX_REASON_BYTES: usize = 512;

/// What was asked for and is not had, and what was denied. Not how a push finds out what is there
/// already, nor the mistakes of one, which its client sees and mends.
pub(super) fn record(exchange: &Exchange<'_>, path: &str, problem: &Problem) {
    let (name, is_content, target) = match route::route(path) {
        Some(Route::Of { name, resource }) => (name, is_content(&resource), target(resource)),
        _ => (path.to_owned(), false, String::new()),
    };
    let place = Place::of(&name, exchange.beside.as_deref()).ok();
    let is_mirrors = matches!(place, Some(Place::Other { .. }));
    let is_denied = matches!(problem.code, Code::Denied | Code::Unavailable | Code::NameUnknown);
    if !is_mirrors && exchange.method != Method::GET && !is_denied {
        return;
    }
    // What the mirror refuses, it has told already.
    if is_mirrors && is_content && exchange.is_read() && problem.code != Code::Unsupported {
        return;
    }
    exchange.caller.ledger.refused(Refusal {
        registry: place.as_ref().and_then(Place::host).cloned(),
        repository: escaped(&place.map_or(name, |place| place.name()), MAX_NAME_BYTES),
        target: escaped(&target, MAX_NAME_BYTES),
        code: problem.code.as_str().to_owned(),
        reason: escaped(&problem.message, MAX_REASON_BYTES),
        upstream_status: problem.upstream.as_ref().and_then(|upstream| upstream.status),
        retry_after_seconds: problem
            .upstream
            .as_ref()
            .and_then(|upstream| upstream.retry_after_seconds),
        at: SystemTime::now(),
    });
}

/// Such as a mirror is asked for: what has no name that is one is refused before.
fn is_content(resource: &Resource) -> bool {
    match resource {
        Resource::Manifest { reference } => reference.parse::<Target>().is_ok(),
        Resource::Blob { digest } => digest.parse::<Digest>().is_ok(),
        _ => false,
    }
}

fn target(resource: Resource) -> String {
    match resource {
        Resource::Manifest { reference } => reference,
        Resource::Blob { digest } | Resource::Referrers { digest } => digest,
        Resource::Upload { id } => id,
        Resource::Uploads | Resource::Tags => String::new(),
    }
}
