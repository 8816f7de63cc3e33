//! From what the guest said last to the job's outcome.

use std::time::Duration;

use crate::{
    guest::{ExecExit, ExecStatus, GuestError, RefusalReason},
    job::{ExitStatus, Failure, FailureClass, JobSpec, Outcome, Step},
    vmm::{Machine, VmExit},
};

/// How long a VMM may take to die after its guest's connection did, for the true cause to be told.
pub(super) const EXPLANATION: Duration = Duration::from_secs(2);

/// A guest that breaks the protocol's rules is told apart from one that is lost.
pub(super) async fn guest_failure(
    step: &'static str,
    error: GuestError,
    machine: &dyn Machine,
) -> Failure {
    let error = error.explained_by(machine, EXPLANATION).await;
    let failure = Failure::infrastructure(step, &error);
    match error {
        GuestError::Protocol { .. } => Failure { class: FailureClass::Policy, ..failure },
        GuestError::MachineExited { exit: VmExit::OutOfMemory { limit_bytes }, .. } => {
            Failure { class: FailureClass::Oom, ..failure }.with("limit_bytes", limit_bytes)
        }
        _ => failure,
    }
}

/// What became of a command that ran.
pub(super) fn exited(exit: &ExecExit, spec: &JobSpec) -> Outcome {
    let status = match exit.status {
        ExecStatus::Code(code) => ExitStatus::code(code),
        ExecStatus::Signal(signal) => ExitStatus::signal(signal),
    };
    if exit.timed_out {
        return Outcome::Timeout;
    }
    let failure = if exit.out_of_memory {
        let limit = spec.memory_bytes;
        let message = format!("the command was killed at its memory limit of {} MiB", limit >> 20);
        Failure::new(FailureClass::Oom, message)
            .with("limit_bytes", limit)
            .with("peak_bytes", exit.memory_peak_bytes)
    } else if status.is_success() {
        return Outcome::Completed;
    } else if let Some(full) = &exit.disk_full {
        let resource = if full.inodes { "inodes" } else { "blocks" };
        let message = format!(
            "the scratch disk of {} MiB ran out of {resource} while the command ran, and it {}",
            spec.disk_bytes >> 20,
            ended(status),
        );
        Failure::new(FailureClass::DiskFull, message)
            .with("disk", "scratch")
            .with("resource", resource)
            .with("size_bytes", spec.disk_bytes)
    } else {
        Failure::new(FailureClass::User, format!("the command {}", ended(status)))
    };
    // A limit that killed the command shows as the SIGKILL that it was.
    let status = if exit.out_of_memory { ExitStatus::signal(9) } else { status };
    Outcome::Failed { failure, exit: Some(status) }
}

pub(super) fn ended(status: ExitStatus) -> String {
    match status.signal {
        Some(signal) => format!("was killed by signal {signal}"),
        None => format!("exited with code {}", status.code),
    }
}

/// What is to be booted is at fault: it holds no root that could be one.
pub(super) fn not_bootable(step: Step, message: String) -> Failure {
    Failure::new(FailureClass::Source, message).with("step", step).with("reason", "not_bootable")
}

/// What becomes of a command that could not be started.
pub(super) fn refused(reason: RefusalReason, message: String) -> Outcome {
    let (class, name, code) = match reason {
        RefusalReason::NotFound => (FailureClass::User, "not_found", Some(127)),
        RefusalReason::NotExecutable => (FailureClass::User, "not_executable", Some(126)),
        RefusalReason::UnknownUser => (FailureClass::User, "unknown_user", Some(126)),
        RefusalReason::BadWorkdir => (FailureClass::User, "bad_workdir", Some(126)),
        RefusalReason::Invalid => (FailureClass::Infrastructure, "invalid", None),
        RefusalReason::Agent => (FailureClass::Infrastructure, "agent", None),
        RefusalReason::PartsLost => (FailureClass::Infrastructure, "parts_lost", None),
        RefusalReason::Unsupported => (FailureClass::User, "unsupported", None),
    };
    let failure = Failure::new(class, message).with("reason", name);
    Outcome::Failed { failure, exit: code.map(ExitStatus::code) }
}
