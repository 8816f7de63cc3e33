//! Caches that a build exports to registries: its guest pushes them here under hidden names, and the
//! host brings them to where they belong, outside or in the tenant's own store. So a guest gives no
//! name that anybody else reads.

use std::sync::Arc;

use kiln_net::control::{REGISTRY_NAME, REGISTRY_PORT};
use kiln_registry::{
    build::Maker,
    name::RepositoryName,
    operate::{Onward, OperateError, Place, Reference},
};

use super::{Publisher, failure};
use crate::job::{CacheExport, Failure, FailureClass, JobId};

/// Where the guest pushes the `at`th of a build's cache exports: what its engine is told instead of
/// the export's own reference.
pub fn cache_reference(job: &JobId, at: usize) -> Option<String> {
    let (name, tag) = (name_of(job, at)?, Maker::cache_tag());
    Some(format!("{REGISTRY_NAME}:{REGISTRY_PORT}/local/{name}:{tag}"))
}

/// Below `local/`. None: it goes to no registry.
pub(super) fn name(job: &JobId, at: usize, export: &CacheExport) -> Option<RepositoryName> {
    match export {
        CacheExport::Inline => None,
        CacheExport::Registry { .. } => name_of(job, at),
    }
}

fn name_of(job: &JobId, at: usize) -> Option<RepositoryName> {
    // Whose tenant it is makes no difference to the name.
    Maker::new("", job.as_str()).ok().map(|maker| maker.cache_name(at))
}

/// On to a registry outside.
pub(super) async fn push(
    publisher: &Publisher<'_>,
    at: usize,
    target: &Reference,
) -> Result<(), Failure> {
    let caller = publisher.registry.caller_of(&publisher.owner.tenant);
    let images = publisher.registry.images();
    let progress = Arc::new(|_| ());
    let (maker, progress) = (&publisher.maker, progress as _);
    // What speaks with a registry is large.
    let pushed = Box::pin(images.push_cache(&caller, maker, at, target, &progress)).await;
    let name = target.to_string();
    is_there(&pushed.map_err(|error| failure::push(&error, &name))?, &name)
}

/// To a name of its tenant's own.
pub(super) async fn give_name(
    publisher: &Publisher<'_>,
    at: usize,
    target: &Reference,
) -> Result<(), Failure> {
    let images = publisher.registry.images();
    let named = Box::pin(images.name_cache(&publisher.maker, at, target)).await;
    let name = target.to_string();
    is_there(&named.map_err(|error| unnamed(&error, &name))?, &name)
}

fn is_there<T>(onward: &Onward<T>, name: &str) -> Result<(), Failure> {
    match onward {
        Onward::Brought(_) | Onward::Already => Ok(()),
        Onward::Absent => {
            Err(failed("no_cache", format!("the build exported no cache for {name}"))
                .with("reference", name))
        }
    }
}

fn unnamed(error: &OperateError, name: &str) -> Failure {
    let failure = match error {
        OperateError::Incomplete { .. } => failed("cache_incomplete", error.to_string()),
        error => failure::operate(error),
    };
    failure.with("reference", name)
}

fn failed(reason: &str, message: String) -> Failure {
    Failure::new(FailureClass::Registry, message).with("reason", reason)
}

pub(super) fn is_local(target: &Reference) -> bool {
    target.place == Place::Local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_is_pushed_here_under_a_hidden_name() {
        let job: JobId = "01arz3ndektsv4rrffq69g5fav".parse().unwrap();
        assert_eq!(
            cache_reference(&job, 1).unwrap(),
            "registry.kiln:5000/local/kiln.build/01arz3ndektsv4rrffq69g5fav/cache/1:cache"
        );
    }
}
