//! A build: each option as `docker buildx build` would take it, or refused where it can be named.
//!
//! ```text
//! contexts ──▶ the job's inputs     exports ──▶ its outputs     the rest ──▶ Work::Build
//! secrets: their names stay in the spec, their values beside it
//! ```

mod attest;
mod cache;
mod context;
mod dockerfile;
mod export;
mod image;
mod pair;
pub(super) mod platform;
mod run;
mod secret;
#[cfg(test)]
pub(in crate::api) mod tests;
pub(super) mod text;

use kiln_proto::v1;

use self::{context::Contexts, export::Exports, text::Bounded as _};
use super::room::{Asked, Room, Usual, room};
use crate::{
    api::field::InvalidField,
    build::secrets::Secret,
    job::{Build, JobSpec, Work},
};

const OF_BUILDS: Usual = Usual {
    memory: 2 << 30,
    // The engine alone takes most of it.
    least_memory: 256 << 20,
    disk: 10 << 30,
    least_disk: 64 << 20,
};

/// Steps go to the agent in one frame, beside which there is room for what they are wrapped in.
const MOST_WORDS_BYTES: usize = 192 * 1024;
const MOST_FILTERS: usize = 128;

/// `CreateBuild`: whose key, which project, what, and what is not written down.
#[derive(Debug)]
pub(in crate::api) struct NewBuild {
    pub(in crate::api) project: String,
    pub(in crate::api) key: Option<String>,
    pub(in crate::api) spec: JobSpec,
    pub(in crate::api) secrets: Vec<Secret>,
}

/// `most_output_bytes` is what the host keeps of all jobs together.
pub(in crate::api) fn new_build(
    request: v1::CreateBuildRequest,
    most_output_bytes: u64,
) -> Result<NewBuild, InvalidField> {
    let v1::CreateBuildRequest { project, spec, secrets, idempotency_key } = request;
    let project = super::project(&project)?;
    let key = super::idempotency_key(idempotency_key)?;
    let spec = job_spec(spec, most_output_bytes)?;
    let Work::Build(build) = &spec.work else { unreachable!("made just now") };
    let secrets = secret::values(secrets, build)?;
    Ok(NewBuild { project, key, spec, secrets })
}

fn job_spec(spec: Option<v1::JobSpec>, most_output_bytes: u64) -> Result<JobSpec, InvalidField> {
    let spec = spec.ok_or_else(|| InvalidField::new("spec", "is missing"))?;
    let v1::JobSpec {
        cpus,
        memory_bytes,
        disk_bytes,
        timeout,
        attach,
        work,
        inputs,
        outputs,
        egress,
    } = spec;
    let build = match work {
        Some(v1::job_spec::Work::Build(build)) => build,
        Some(v1::job_spec::Work::Exec(_)) => {
            return Err(InvalidField::new("spec.exec", "is no build; JobService creates it"));
        }
        Some(v1::job_spec::Work::Rootfs(_)) => {
            return Err(InvalidField::new("spec.rootfs", "is no build; JobService creates it"));
        }
        Some(v1::job_spec::Work::Boot(_)) => {
            return Err(InvalidField::new("spec.boot", "is no build; JobService creates it"));
        }
        None => return Err(InvalidField::new("spec.build", "is missing")),
    };
    if attach {
        return Err(InvalidField::new("spec.attach", "is not for builds; read the build's log"));
    }
    if !inputs.is_empty() {
        return Err(InvalidField::new("spec.inputs", "follow from `spec.build`; leave them out"));
    }
    if !outputs.is_empty() {
        let problem = "follow from `spec.build.exports`; leave them out";
        return Err(InvalidField::new("spec.outputs", problem));
    }
    let asked = Asked { cpus, memory_bytes, disk_bytes, timeout, egress };
    let room = room(asked, OF_BUILDS)?;
    let (build, contexts, exports) = self::build(build, &room, most_output_bytes)?;
    let Room { cpus, memory_bytes, disk_bytes, timeout, egress } = room;
    Ok(JobSpec {
        cpus,
        memory_bytes,
        disk_bytes,
        timeout,
        attach: false,
        work: Work::Build(Box::new(build)),
        inputs: contexts.inputs,
        outputs: exports.outputs,
        egress,
    })
}

fn build(
    wire: v1::BuildSpec,
    room: &Room,
    most_output_bytes: u64,
) -> Result<(Build, Contexts, Exports), InvalidField> {
    let words = wire.bytes();
    if words > MOST_WORDS_BYTES {
        let problem =
            format!("its names and values come to {words} bytes, above {MOST_WORDS_BYTES}");
        return Err(InvalidField::new("spec.build", problem));
    }
    let v1::BuildSpec {
        context_source_id,
        dockerfile,
        target,
        build_args,
        labels,
        annotations,
        contexts,
        platforms,
        no_cache,
        no_cache_filter,
        pull,
        add_hosts,
        network,
        shm_bytes,
        ulimits,
        allow,
        secrets,
        ssh,
        cache_from,
        cache_to,
        exports,
        provenance,
        sbom,
        max_export_bytes,
    } = wire;
    let contexts = context::contexts(&context_source_id, contexts)?;
    let dockerfile = dockerfile::dockerfile(dockerfile, contexts.main.is_some())?;
    let export_bytes = export::size(
        max_export_bytes,
        export::Bounds { disk_bytes: room.disk_bytes, most_output_bytes, exports: exports.len() },
    )?;
    let exports = export::exports(exports, export_bytes)?;
    let no_cache_filter = stages("spec.build.no_cache_filter", no_cache_filter)?;
    if no_cache && !no_cache_filter.is_empty() {
        let problem = "goes without `no_cache`, which is about every stage";
        return Err(InvalidField::new("spec.build.no_cache_filter", problem));
    }
    let target = Some(target).filter(|target| !target.is_empty());
    if let Some(target) = &target {
        text::stage("spec.build.target", target)?;
    }
    let build = Build {
        context: contexts.main,
        dockerfile,
        target,
        build_args: pair::build_args(build_args)?,
        labels: pair::labels(labels)?,
        annotations: pair::annotations(annotations)?,
        contexts: contexts.named.clone(),
        platforms: platform::platforms(&platforms)?,
        no_cache,
        no_cache_filter,
        pull,
        add_hosts: run::hosts(&add_hosts)?,
        network: run::network(&network)?,
        shm_bytes: run::shm(shm_bytes, room.memory_bytes)?,
        ulimits: run::ulimits(&ulimits)?,
        allow: run::entitlements(&allow)?,
        secrets: secret::names(secrets)?,
        ssh: secret::ssh(ssh)?,
        cache_from: cache::from(cache_from)?,
        cache_to: cache::to(cache_to)?,
        exports: exports.exports.clone(),
        provenance: attest::provenance(&provenance)?,
        sbom: attest::sbom(&sbom)?,
    };
    export::check_together(&build)?;
    Ok((build, contexts, exports))
}

fn stages(at: &str, wire: Vec<String>) -> Result<Vec<String>, InvalidField> {
    text::at_most(at, wire.len(), MOST_FILTERS)?;
    for (index, name) in wire.iter().enumerate() {
        let field = format!("{at}[{index}]");
        text::stage(&field, name)?;
        text::once(&field, name, &wire[..index])?;
    }
    Ok(wire)
}
