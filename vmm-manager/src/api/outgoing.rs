//! From the domain to the wire.

pub(super) mod build;
pub(super) mod egress;
pub(super) mod registry;
mod rootfs;
pub(super) mod spec;

use std::time::SystemTime;

use kiln_proto::v1;

use crate::{
    job::{
        ExitStatus, Failure, FailureClass, Job, MachineRecord, Outcome, OutputRecord, Phase,
        PhaseTime, State, Usage, WaitsFor, Work,
    },
    log::{LogEvent, LogSummary},
    stream::Stream,
    vmm::JailState,
};

/// Without its records of a network and a registry, which are long: pages are of many jobs.
pub(super) fn listed_job(job: &Job) -> v1::Job {
    v1::Job { egress: None, registry: None, ..self::job(job) }
}

/// With what is too long to be told at each change: the Dockerfile that came with a request.
pub(super) fn whole_job(job: &Job) -> v1::Job {
    let mut wire = self::job(job);
    if let (Some(spec), Work::Build(build)) = (&mut wire.spec, &job.spec.work) {
        build::add_dockerfile(spec, build);
    }
    wire
}

pub(super) fn job(job: &Job) -> v1::Job {
    let exit = job.exit();
    let Job {
        id,
        owner,
        spec,
        state,
        created_at,
        phases,
        machine,
        memory_peak_bytes,
        log,
        place,
        attempt,
        outputs,
        usage,
        idempotency_key,
        egress,
        registry,
        build: _of_build_service,
        rootfs,
        boot,
    } = job;
    let (wire_state, phase, started_at, ended_at) = state_fields(state);
    let failure = match state {
        State::Ended { outcome: Outcome::Failed { failure, .. }, .. } => {
            Some(self::failure(failure))
        }
        State::Queued | State::Running { .. } | State::Ended { .. } => None,
    };
    v1::Job {
        id: id.to_string(),
        tenant: owner.tenant.clone(),
        project: owner.project.clone(),
        spec: Some(spec::job_spec(spec)),
        state: wire_state.into(),
        phase: phase.into(),
        created_at: Some((*created_at).into()),
        started_at: started_at.map(Into::into),
        ended_at: ended_at.map(Into::into),
        phases: phases.iter().map(phase_time).collect(),
        exit: exit.map(exit_status),
        failure,
        machine: machine.as_ref().map(machine_of),
        memory_peak_bytes: memory_peak_bytes.unwrap_or_default(),
        log: Some(log_summary(*log)),
        queue_position: place.map_or(0, |place| place.position),
        attempt: *attempt,
        outputs: outputs.iter().map(output).collect(),
        usage: Some(self::usage(*usage)),
        idempotency_key: idempotency_key.clone().unwrap_or_default(),
        egress: egress.as_deref().map(egress::record),
        registry: registry.as_deref().map(registry::record),
        rootfs: match (&spec.work, rootfs) {
            // What was made and did not boot is nobody's.
            (Work::Rootfs(asked), Some(record)) if !outputs.is_empty() => {
                rootfs::result(asked, record)
            }
            _ => None,
        },
        boot: boot.as_deref().map(rootfs::boot),
        waits_for: place.map(|place| waits_for(place.waits_for).to_owned()).unwrap_or_default(),
    }
}

fn state_fields(
    state: &State,
) -> (v1::JobState, v1::Phase, Option<SystemTime>, Option<SystemTime>) {
    match state {
        State::Queued => (v1::JobState::Queued, v1::Phase::Unspecified, None, None),
        State::Running { phase, started_at } => {
            let phase = match phase {
                Phase::Preparing => v1::Phase::Preparing,
                Phase::Downloading => v1::Phase::Downloading,
                Phase::Building => v1::Phase::Building,
                Phase::Optimizing => v1::Phase::Optimizing,
                Phase::Packaging => v1::Phase::Packaging,
            };
            (v1::JobState::Running, phase, Some(*started_at), None)
        }
        State::Ended { outcome, started_at, ended_at } => {
            let state = match outcome {
                Outcome::Completed => v1::JobState::Completed,
                Outcome::Failed { .. } => v1::JobState::Failed,
                Outcome::Cancelled => v1::JobState::Cancelled,
                Outcome::Timeout => v1::JobState::Timeout,
            };
            (state, v1::Phase::Unspecified, *started_at, Some(*ended_at))
        }
    }
}

fn phase_time(phase: &PhaseTime) -> v1::PhaseTime {
    let PhaseTime { step, started_at, duration } = phase;
    v1::PhaseTime {
        name: step.name().to_owned(),
        started_at: Some((*started_at).into()),
        duration: duration.and_then(|duration| duration.try_into().ok()),
    }
}

pub(super) fn failure(failure: &Failure) -> v1::Failure {
    let Failure { class, message, details } = failure;
    let class = match class {
        FailureClass::User => v1::FailureClass::User,
        FailureClass::Source => v1::FailureClass::Source,
        FailureClass::Registry => v1::FailureClass::Registry,
        FailureClass::EgressDenied => v1::FailureClass::EgressDenied,
        FailureClass::Oom => v1::FailureClass::Oom,
        FailureClass::DiskFull => v1::FailureClass::DiskFull,
        FailureClass::Policy => v1::FailureClass::Policy,
        FailureClass::Infrastructure => v1::FailureClass::Infrastructure,
    };
    let details = details.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    v1::Failure { class: class.into(), message: message.clone(), details }
}

pub(super) fn exit_status(exit: ExitStatus) -> v1::ExitStatus {
    let ExitStatus { code, signal } = exit;
    v1::ExitStatus { code, signal: signal.unwrap_or_default() }
}

fn machine_of(machine: &MachineRecord) -> v1::Machine {
    let MachineRecord {
        vmm,
        vmm_version,
        accelerator,
        jail,
        kernel_digest,
        initramfs_digest,
        root_digest,
        kernel_release,
        agent_version,
    } = machine.clone();
    v1::Machine {
        vmm,
        vmm_version,
        accelerator,
        kernel_release,
        kernel_digest,
        initramfs_digest,
        root_digest,
        agent_version,
        jail: jail.as_ref().map(self::jail),
    }
}

pub(super) fn jail(jail: &JailState) -> v1::Jail {
    v1::Jail { full: *jail == JailState::Full, missing: jail.missing().to_vec() }
}

fn waits_for(what: WaitsFor) -> &'static str {
    match what {
        WaitsFor::Turn => "turn",
        WaitsFor::Vms => "vms",
        WaitsFor::Cpus => "cpus",
        WaitsFor::Memory => "memory",
        WaitsFor::Disk => "disk",
    }
}

fn output(output: &OutputRecord) -> v1::Output {
    let OutputRecord { name, size_bytes, digest, expired } = output.clone();
    v1::Output { name, size_bytes, digest, expired }
}

fn usage(usage: Usage) -> v1::Usage {
    let Usage { vm_memory_peak_bytes, vm_cpu_time, disk_peak_bytes } = usage;
    // Nothing runs in no time: it was not measured, or not yet.
    let vm_cpu_time =
        (!vm_cpu_time.is_zero()).then_some(vm_cpu_time).and_then(|time| time.try_into().ok());
    v1::Usage { vm_memory_peak_bytes, vm_cpu_time, disk_peak_bytes }
}

fn log_summary(log: LogSummary) -> v1::LogSummary {
    let LogSummary { end_offset, dropped_bytes } = log;
    v1::LogSummary { end_offset, dropped_bytes }
}

pub(super) fn log_event(event: LogEvent) -> v1::ReadLogResponse {
    let event = match event {
        LogEvent::Chunk { offset, time, stream, data } => {
            let stream = match stream {
                Stream::Stdout => v1::Stream::Stdout,
                Stream::Stderr => v1::Stream::Stderr,
            };
            let time = Some(time.into());
            v1::read_log_response::Event::Chunk(v1::LogChunk {
                offset,
                time,
                stream: stream.into(),
                data,
            })
        }
        LogEvent::Gap { offset, dropped_bytes } => {
            v1::read_log_response::Event::Gap(v1::LogGap { offset, dropped_bytes })
        }
    };
    v1::ReadLogResponse { event: Some(event) }
}
