//! What was asked, as it was understood: with every default filled in.

use kiln_proto::v1;

use crate::job::{Exec, JobSpec, Work};

pub(super) fn job_spec(spec: &JobSpec) -> v1::JobSpec {
    let JobSpec { cpus, memory_bytes, disk_bytes, timeout, attach, work } = spec;
    let Work::Exec(exec) = work;
    v1::JobSpec {
        cpus: *cpus,
        memory_bytes: *memory_bytes,
        disk_bytes: *disk_bytes,
        timeout: timeout.and_then(|timeout| timeout.try_into().ok()),
        attach: *attach,
        work: Some(v1::job_spec::Work::Exec(exec_spec(exec))),
    }
}

fn exec_spec(exec: &Exec) -> v1::ExecSpec {
    let Exec { argv, env, workdir, user, stdin } = exec.clone();
    let env =
        env.into_iter().map(|(name, value)| v1::EnvironmentVariable { name, value }).collect();
    v1::ExecSpec { argv, env, workdir, user, stdin }
}
