//! From the wire into the record. Nothing is refused here: what a newer kilnd adds must not keep
//! this command from showing the rest.

mod build;
mod disk;
mod egress;
mod image;
mod registry;
mod rootfs;
mod time;

use kiln_proto::v1::{self, job_spec::Work};

use super::{
    Exec, Exit, Failure, FailureClass, Jail, Job, Log, Machine, Phase, PhaseTime, Spec, State,
    Usage,
};
use crate::exit_code;

pub(crate) use self::time::Time;
use self::time::duration_of;

impl From<v1::Job> for Job {
    fn from(wire: v1::Job) -> Self {
        let state = State::from(wire.state());
        let phase = match wire.phase() {
            v1::Phase::Unspecified if wire.phase == 0 => None,
            v1::Phase::Unspecified => Some(Phase::Unknown),
            v1::Phase::Preparing => Some(Phase::Preparing),
            v1::Phase::Building => Some(Phase::Building),
            v1::Phase::Downloading => Some(Phase::Downloading),
            v1::Phase::Optimizing => Some(Phase::Optimizing),
            v1::Phase::Packaging => Some(Phase::Packaging),
        };
        let v1::Job {
            id,
            tenant,
            project,
            spec,
            state: _,
            phase: _,
            created_at,
            started_at,
            ended_at,
            phases,
            exit,
            failure,
            machine,
            memory_peak_bytes,
            log,
            queue_position,
            attempt,
            outputs,
            usage,
            idempotency_key,
            waits_for,
            egress,
            registry,
            rootfs,
            boot,
        } = wire;
        let mut job = Self {
            id,
            tenant,
            project,
            state,
            phase,
            exit_code: None,
            exit: exit.map(Exit::from),
            failure: failure.map(Failure::from),
            created_at: created_at.map(Time::from),
            started_at: started_at.map(Time::from),
            ended_at: ended_at.map(Time::from),
            phases: phases.into_iter().map(PhaseTime::from).collect(),
            spec: spec.map(Spec::from).unwrap_or_default(),
            machine: machine.map(Machine::from),
            memory_peak_bytes: (memory_peak_bytes != 0).then_some(memory_peak_bytes),
            usage: usage.map(Usage::from),
            outputs: outputs.into_iter().map(Into::into).collect(),
            log: log.map(Log::from).unwrap_or_default(),
            queue_position: (queue_position != 0).then_some(queue_position),
            waits_for: (!waits_for.is_empty()).then_some(waits_for),
            attempt,
            idempotency_key: (!idempotency_key.is_empty()).then_some(idempotency_key),
            egress: egress.map(Into::into),
            registry: registry.map(Into::into),
            rootfs: rootfs.map(Into::into),
            boot: boot.map(Into::into),
        };
        job.exit_code = exit_code::of(&job);
        job
    }
}

impl From<v1::JobState> for State {
    fn from(wire: v1::JobState) -> Self {
        match wire {
            v1::JobState::Unspecified => Self::Unknown,
            v1::JobState::Queued => Self::Queued,
            v1::JobState::Running => Self::Running,
            v1::JobState::Completed => Self::Completed,
            v1::JobState::Failed => Self::Failed,
            v1::JobState::Cancelled => Self::Cancelled,
            v1::JobState::Timeout => Self::Timeout,
        }
    }
}

impl From<v1::ExitStatus> for Exit {
    fn from(v1::ExitStatus { code, signal }: v1::ExitStatus) -> Self {
        Self { code, signal: (signal != 0).then_some(signal) }
    }
}

impl From<v1::Failure> for Failure {
    fn from(wire: v1::Failure) -> Self {
        let class = match wire.class() {
            v1::FailureClass::Unspecified => FailureClass::Unknown,
            v1::FailureClass::User => FailureClass::User,
            v1::FailureClass::Source => FailureClass::Source,
            v1::FailureClass::Registry => FailureClass::Registry,
            v1::FailureClass::EgressDenied => FailureClass::EgressDenied,
            v1::FailureClass::Oom => FailureClass::Oom,
            v1::FailureClass::DiskFull => FailureClass::DiskFull,
            v1::FailureClass::Policy => FailureClass::Policy,
            v1::FailureClass::Infrastructure => FailureClass::Infrastructure,
        };
        let v1::Failure { class: _, message, details } = wire;
        Self { class, message, details: details.into_iter().collect() }
    }
}

impl From<v1::PhaseTime> for PhaseTime {
    fn from(v1::PhaseTime { name, started_at, duration }: v1::PhaseTime) -> Self {
        let duration_seconds = duration.map(|duration| duration_of(&duration).as_secs_f64());
        Self { name, started_at: started_at.map(Time::from), duration_seconds }
    }
}

impl From<v1::JobSpec> for Spec {
    fn from(wire: v1::JobSpec) -> Self {
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
        } = wire;
        let (mut exec, mut build, mut rootfs, mut boot) = (None, None, None, None);
        match work {
            Some(Work::Exec(spec)) => exec = Some(Exec::from(spec)),
            Some(Work::Build(spec)) => build = Some(spec.into()),
            Some(Work::Rootfs(spec)) => rootfs = Some(spec.into()),
            Some(Work::Boot(spec)) => boot = Some(spec.into()),
            None => {}
        }
        let timeout_seconds = timeout.map(|timeout| duration_of(&timeout).as_secs_f64());
        Self {
            cpus,
            memory_bytes,
            disk_bytes,
            timeout_seconds,
            attach,
            exec,
            build,
            rootfs,
            boot,
            inputs: inputs.into_iter().map(Into::into).collect(),
            outputs: outputs.into_iter().map(Into::into).collect(),
            egress: egress.map(Into::into).unwrap_or_default(),
        }
    }
}

impl From<v1::ExecSpec> for Exec {
    fn from(v1::ExecSpec { argv, env, workdir, user, stdin, terminal }: v1::ExecSpec) -> Self {
        let env = env.into_iter().map(|variable| (variable.name, variable.value)).collect();
        Self { argv, env, workdir, user, stdin, terminal: terminal.map(Into::into) }
    }
}

impl From<v1::Machine> for Machine {
    fn from(wire: v1::Machine) -> Self {
        let v1::Machine {
            vmm,
            vmm_version,
            accelerator,
            kernel_release,
            kernel_digest,
            initramfs_digest,
            root_digest,
            agent_version,
            jail,
        } = wire;
        Self {
            vmm,
            vmm_version,
            accelerator,
            jail: jail.map(Jail::from),
            kernel_release,
            kernel_digest,
            initramfs_digest,
            root_digest,
            agent_version,
        }
    }
}

impl From<v1::Jail> for Jail {
    fn from(v1::Jail { full, missing }: v1::Jail) -> Self {
        Self { full, missing }
    }
}

impl From<v1::Usage> for Usage {
    fn from(wire: v1::Usage) -> Self {
        let v1::Usage { vm_memory_peak_bytes, vm_cpu_time, disk_peak_bytes } = wire;
        let known = |bytes| (bytes != 0).then_some(bytes);
        Self {
            vm_memory_peak_bytes: known(vm_memory_peak_bytes),
            vm_cpu_seconds: vm_cpu_time.map(|time| duration_of(&time).as_secs_f64()),
            disk_peak_bytes: known(disk_peak_bytes),
        }
    }
}

impl From<v1::LogSummary> for Log {
    fn from(v1::LogSummary { end_offset, dropped_bytes }: v1::LogSummary) -> Self {
        Self { end_offset, dropped_bytes }
    }
}

fn known(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
