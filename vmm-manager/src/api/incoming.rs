//! From the wire to the domain: everything is checked here and nowhere else.

mod boot;
mod build;
mod disk;
mod egress;
mod exec;
mod key;
mod live;
mod output;
mod page;
mod project;
mod room;
mod rootfs;
#[cfg(test)]
pub(super) mod tests;
mod upload;

use kiln_proto::v1;

use self::room::{Asked, Room, Usual, room};
use super::field::InvalidField;
use crate::job::{JobId, JobSpec, SourceId, Work};

#[cfg(test)]
pub(super) use self::build::tests as tests_of_builds;
pub(super) use self::{
    build::{NewBuild, new_build},
    exec::exec,
    key::idempotency_key,
    live::{attach, exec_in_job, signal, terminal_size},
    output::{OutputRequest, read_output},
    page::{Page, page, page_of_builds},
    project::{listed_project, project},
    upload::{Announced, UploadRequest, find_source, upload_start},
};

const OF_COMMANDS: Usual = Usual {
    memory: 512 << 20,
    // Below it a guest's command could not even be loaded.
    least_memory: 16 << 20,
    disk: 10 << 30,
    // Below it ext4 has no room for a root's upper layer.
    least_disk: 16 << 20,
};

const OF_ROOTFS: Usual = Usual {
    // The converter keeps an image's tree there: 200,000 files must fit.
    memory: 1 << 30,
    least_memory: 64 << 20,
    ..OF_COMMANDS
};

/// `CreateJob`: whose key, which project, what.
#[derive(Debug)]
pub(super) struct NewJob {
    pub(super) project: String,
    pub(super) key: Option<String>,
    pub(super) spec: JobSpec,
}

/// `most_output_bytes` is what the host keeps of all jobs together.
pub(super) fn new_job(
    request: v1::CreateJobRequest,
    most_output_bytes: u64,
) -> Result<NewJob, InvalidField> {
    let v1::CreateJobRequest { project, spec, idempotency_key } = request;
    let project = self::project(&project)?;
    let key = self::idempotency_key(idempotency_key)?;
    Ok(NewJob { project, key, spec: job_spec(spec, most_output_bytes)? })
}

/// `at` is where the request has it.
pub(super) fn job_id(at: &str, id: &str) -> Result<JobId, InvalidField> {
    id.parse().map_err(|error| InvalidField::new(at, error))
}

fn source_id(at: &str, id: &str) -> Result<SourceId, InvalidField> {
    id.parse().map_err(|error| InvalidField::new(at, error))
}

pub(super) fn job_spec(
    spec: Option<v1::JobSpec>,
    most_output_bytes: u64,
) -> Result<JobSpec, InvalidField> {
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
    let asked = Asked { cpus, memory_bytes, disk_bytes, timeout, egress };
    let (work, room, made) = match work {
        Some(v1::job_spec::Work::Exec(exec)) => {
            if exec.stdin && !attach {
                let problem = "needs `spec.attach`, where it comes from";
                return Err(InvalidField::new("spec.exec.stdin", problem));
            }
            let exec = self::exec("spec.exec", exec)?;
            let room = room(asked, OF_COMMANDS)?;
            let disks = (disk::inputs(inputs)?, disk::outputs(outputs)?);
            (Work::Exec(exec), room, disks)
        }
        Some(v1::job_spec::Work::Build(_)) => {
            return Err(InvalidField::new("spec.build", "is created through BuildService"));
        }
        Some(v1::job_spec::Work::Rootfs(rootfs)) => {
            only_its_own(attach, &inputs, &outputs, "spec.rootfs")?;
            if asked.egress.as_ref().is_some_and(|egress| !is_closed(egress)) {
                let problem = "is not for `spec.rootfs`: the host brings its image";
                return Err(InvalidField::new("spec.egress.mode", problem));
            }
            let room = room(asked, OF_ROOTFS)?;
            let (rootfs, outputs) = rootfs::rootfs(rootfs, &room, most_output_bytes)?;
            (Work::Rootfs(Box::new(rootfs)), room, (Vec::new(), outputs))
        }
        Some(v1::job_spec::Work::Boot(boot)) => {
            only_its_own(attach, &inputs, &outputs, "spec.boot")?;
            let boot = boot::boot(boot)?;
            (Work::Boot(Box::new(boot)), room(asked, OF_COMMANDS)?, Default::default())
        }
        None => {
            return Err(InvalidField::new("spec.work", "is missing; name what the job shall do"));
        }
    };
    let Room { cpus, memory_bytes, disk_bytes, timeout, egress } = room;
    let (inputs, outputs) = made;
    Ok(JobSpec { cpus, memory_bytes, disk_bytes, timeout, attach, work, inputs, outputs, egress })
}

/// What goes in and out of such work follows from it.
fn only_its_own(
    attach: bool,
    inputs: &[v1::InputDisk],
    outputs: &[v1::OutputDisk],
    work: &str,
) -> Result<(), InvalidField> {
    let not_for =
        |field: &str| Err(InvalidField::new(field, format!("is not for `{work}`; leave it out")));
    match () {
        () if attach => not_for("spec.attach"),
        () if !inputs.is_empty() => not_for("spec.inputs"),
        () if !outputs.is_empty() => not_for("spec.outputs"),
        () => Ok(()),
    }
}

fn is_closed(egress: &v1::Egress) -> bool {
    let v1::Egress { mode, rules } = egress;
    let closed = [v1::EgressMode::Unspecified, v1::EgressMode::None];
    rules.is_empty() && closed.into_iter().any(|one| i32::from(one) == *mode)
}
