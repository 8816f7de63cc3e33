//! From the wire to the domain: everything is checked here and nowhere else.

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
#[cfg(test)]
pub(super) mod tests;
mod upload;

use kiln_proto::v1;

use self::room::{Asked, Room, Usual, room};
use super::field::InvalidField;
use crate::job::{JobId, JobSpec, Work};

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

/// `CreateJob`: whose key, which project, what.
#[derive(Debug)]
pub(super) struct NewJob {
    pub(super) project: String,
    pub(super) key: Option<String>,
    pub(super) spec: JobSpec,
}

pub(super) fn new_job(request: v1::CreateJobRequest) -> Result<NewJob, InvalidField> {
    let v1::CreateJobRequest { project, spec, idempotency_key } = request;
    let project = self::project(&project)?;
    let key = self::idempotency_key(idempotency_key)?;
    Ok(NewJob { project, key, spec: job_spec(spec)? })
}

/// `at` is where the request has it.
pub(super) fn job_id(at: &str, id: &str) -> Result<JobId, InvalidField> {
    id.parse().map_err(|error| InvalidField::new(at, error))
}

pub(super) fn job_spec(spec: Option<v1::JobSpec>) -> Result<JobSpec, InvalidField> {
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
    let work = match work {
        Some(v1::job_spec::Work::Exec(exec)) => {
            if exec.stdin && !attach {
                let problem = "needs `spec.attach`, where it comes from";
                return Err(InvalidField::new("spec.exec.stdin", problem));
            }
            Work::Exec(self::exec("spec.exec", exec)?)
        }
        Some(v1::job_spec::Work::Build(_)) => {
            return Err(InvalidField::new("spec.build", "is created through BuildService"));
        }
        None => {
            return Err(InvalidField::new("spec.work", "is missing; name what the job shall do"));
        }
    };
    let asked = Asked { cpus, memory_bytes, disk_bytes, timeout, egress };
    let Room { cpus, memory_bytes, disk_bytes, timeout, egress } = room(asked, OF_COMMANDS)?;
    let inputs = disk::inputs(inputs)?;
    let outputs = disk::outputs(outputs)?;
    Ok(JobSpec { cpus, memory_bytes, disk_bytes, timeout, attach, work, inputs, outputs, egress })
}
