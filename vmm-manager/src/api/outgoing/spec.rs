//! What was asked, as it was understood: with every default filled in.

use kiln_proto::v1;

use super::{build, egress, rootfs};
use crate::job::{DiskFormat, Exec, InputDisk, JobSpec, OutputDisk, TerminalSize, Work};

pub(in crate::api) fn job_spec(spec: &JobSpec) -> v1::JobSpec {
    let JobSpec { cpus, memory_bytes, disk_bytes, timeout, attach, work, inputs, outputs, egress } =
        spec;
    // What a build, and what a root filesystem, brings and leaves follows from it.
    let (work, inputs, outputs) = match work {
        Work::Exec(exec) => {
            (v1::job_spec::Work::Exec(exec_spec(exec)), inputs.as_slice(), outputs.as_slice())
        }
        Work::Build(build) => {
            let build = build::spec(build, inputs, outputs);
            (v1::job_spec::Work::Build(build), [].as_slice(), [].as_slice())
        }
        Work::Rootfs(rootfs) => {
            let rootfs = rootfs::rootfs_spec(rootfs);
            (v1::job_spec::Work::Rootfs(rootfs), [].as_slice(), [].as_slice())
        }
        Work::Boot(boot) => {
            let boot = rootfs::boot_spec(boot);
            (v1::job_spec::Work::Boot(boot), [].as_slice(), [].as_slice())
        }
    };
    v1::JobSpec {
        cpus: *cpus,
        memory_bytes: *memory_bytes,
        disk_bytes: *disk_bytes,
        timeout: timeout.and_then(|timeout| timeout.try_into().ok()),
        attach: *attach,
        work: Some(work),
        inputs: inputs.iter().map(input_disk).collect(),
        outputs: outputs.iter().map(output_disk).collect(),
        egress: Some(egress::policy(egress)),
    }
}

fn exec_spec(exec: &Exec) -> v1::ExecSpec {
    let Exec { argv, env, workdir, user, stdin, terminal } = exec.clone();
    let env =
        env.into_iter().map(|(name, value)| v1::EnvironmentVariable { name, value }).collect();
    let terminal = terminal.map(|TerminalSize { rows, columns }| v1::TerminalSize {
        rows: rows.into(),
        columns: columns.into(),
    });
    v1::ExecSpec { argv, env, workdir, user, stdin, terminal }
}

fn input_disk(input: &InputDisk) -> v1::InputDisk {
    let InputDisk { source, path, format } = input;
    let format = disk_format(*format).into();
    v1::InputDisk { source_id: source.to_string(), path: path.clone(), format }
}

fn output_disk(output: &OutputDisk) -> v1::OutputDisk {
    let OutputDisk { name, path, format, max_bytes } = output.clone();
    v1::OutputDisk { name, path, format: disk_format(format).into(), max_bytes }
}

fn disk_format(format: DiskFormat) -> v1::DiskFormat {
    match format {
        DiskFormat::Tar => v1::DiskFormat::Tar,
        DiskFormat::Raw => v1::DiskFormat::Raw,
    }
}
