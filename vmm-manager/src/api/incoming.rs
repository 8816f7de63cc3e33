//! From the wire to the domain: everything is checked here and nowhere else.

mod disk;
mod egress;
mod exec;
mod key;
mod live;
mod output;
mod page;
mod project;
#[cfg(test)]
pub(super) mod tests;
mod upload;

use std::time::Duration;

use kiln_proto::v1;

use super::field::InvalidField;
use crate::job::{JobId, JobSpec, Work};

pub(super) use self::{
    exec::exec,
    key::idempotency_key,
    live::{attach, exec_in_job, signal, terminal_size},
    output::{OutputRequest, read_output},
    page::{Page, page},
    project::{listed_project, project},
    upload::{UploadRequest, upload_start},
};

const DEFAULT_MEMORY_BYTES: u64 = 512 << 20;
const DEFAULT_DISK_BYTES: u64 = 10 << 30;
/// Below it a guest's command could not even be loaded.
const LEAST_MEMORY_BYTES: u64 = 16 << 20;
/// Below it ext4 has no room for a root's upper layer.
const LEAST_DISK_BYTES: u64 = 16 << 20;
/// Where ext4 with 4 KiB blocks, and the host's own file size, are still far from their ends.
const MOST_DISK_BYTES: u64 = 16 << 40;
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);

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
        None => {
            return Err(InvalidField::new("spec.work", "is missing; name what the job shall do"));
        }
    };
    let memory_bytes = or_default(memory_bytes, DEFAULT_MEMORY_BYTES);
    at_least("spec.memory_bytes", memory_bytes, LEAST_MEMORY_BYTES)?;
    if memory_bytes > 1 << 50 {
        return Err(InvalidField::new("spec.memory_bytes", "is more than any host has"));
    }
    let disk_bytes = or_default(disk_bytes, DEFAULT_DISK_BYTES);
    at_least("spec.disk_bytes", disk_bytes, LEAST_DISK_BYTES)?;
    if disk_bytes > MOST_DISK_BYTES {
        return Err(InvalidField::new("spec.disk_bytes", format!("is above {MOST_DISK_BYTES}")));
    }
    Ok(JobSpec {
        cpus: cpus.max(1),
        memory_bytes,
        // Whole sectors, and never more than was asked for.
        disk_bytes: disk_bytes / 4096 * 4096,
        timeout: timeout.map(self::timeout).transpose()?,
        attach,
        work,
        inputs: disk::inputs(inputs)?,
        outputs: disk::outputs(outputs)?,
        egress: egress::egress(egress)?,
    })
}

fn or_default(asked: u64, default: u64) -> u64 {
    if asked == 0 { default } else { asked }
}

fn at_least(field: &str, asked: u64, least: u64) -> Result<(), InvalidField> {
    if asked < least {
        return Err(InvalidField::new(field, format!("{asked} is below the least, {least}")));
    }
    Ok(())
}

fn timeout(wire: prost_types::Duration) -> Result<Duration, InvalidField> {
    let invalid = |problem: &str| InvalidField::new("spec.timeout", problem);
    // Before the conversion, which would carry one part over into the other.
    if wire.seconds < 0 || !(0..1_000_000_000).contains(&wire.nanos) {
        return Err(invalid("is negative, or its nanoseconds are no part of a second"));
    }
    let timeout = Duration::try_from(wire).map_err(|_| invalid("is negative"))?;
    if timeout < Duration::from_millis(1) {
        return Err(invalid("is below a millisecond; leave it out for no limit"));
    }
    if timeout > LONGEST_TIMEOUT {
        return Err(invalid("is above 30 days"));
    }
    Ok(timeout)
}
