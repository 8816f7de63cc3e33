//! What `kiln run` and `kiln job wait` exit with.

use crate::record::{FailureClass, Job, State};

pub(crate) const DONE: u8 = 0;
/// Of `kiln build` and `kiln rootfs`, when what was to be made is to blame; of `kiln boot`, when the
/// machine is.
pub(crate) const FAILED: u8 = 1;
pub(crate) const TIMEOUT: u8 = 124;
/// Kiln's own failure, bad usage among it.
pub(crate) const KILN: u8 = 125;
pub(crate) const CANCELLED: u8 = 130;
pub(crate) const OUT_OF_MEMORY: u8 = 137;
/// As a shell shows a command that SIGPIPE ended: whoever read our stdout went away.
pub(crate) const BROKEN_PIPE: u8 = 141;

/// `None` until the job has ended.
pub(crate) fn of(job: &Job) -> Option<u8> {
    match job.state {
        State::Queued | State::Running | State::Unknown => None,
        State::Completed if job.spec.has_artifacts() => Some(0),
        State::Completed => Some(job.exit.as_ref().map_or(0, |exit| shown(exit.code))),
        State::Timeout => Some(TIMEOUT),
        State::Cancelled => Some(CANCELLED),
        State::Failed => Some(of_failure(job)),
    }
}

/// Whether what a machine was to boot is no root filesystem.
pub(crate) fn is_not_bootable(job: &Job) -> bool {
    let failure = job.failure.as_ref();
    failure
        .and_then(|failure| failure.details.get("reason"))
        .is_some_and(|why| why == "not_bootable")
}

fn of_failure(job: &Job) -> u8 {
    match job.failure.as_ref().map(|failure| failure.class) {
        Some(FailureClass::Oom) => OUT_OF_MEMORY,
        // Whatever failed in it, as buildx has it.
        Some(
            FailureClass::User
            | FailureClass::DiskFull
            | FailureClass::EgressDenied
            | FailureClass::Registry
            | FailureClass::Source,
        ) if job.spec.has_artifacts() => FAILED,
        // What was to be booted came in, and is none.
        Some(FailureClass::Source) if is_not_bootable(job) => FAILED,
        Some(
            FailureClass::User
            | FailureClass::DiskFull
            | FailureClass::EgressDenied
            | FailureClass::Registry,
        ) => match &job.exit {
            // A failed job never looks like success, whatever its record says.
            Some(exit) if exit.code != 0 => shown(exit.code),
            // There may have been no command at all.
            Some(_) | None if job.spec.boot.is_some() => FAILED,
            Some(_) | None => KILN,
        },
        Some(
            FailureClass::Source
            | FailureClass::Policy
            | FailureClass::Infrastructure
            | FailureClass::Unknown,
        )
        | None => KILN,
    }
}

/// An exit status is one byte; what is none was made up by somebody.
pub(crate) fn shown(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(KILN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BootOptions, BuildOptions, Exit, Failure, RootfsOptions, Spec};

    fn check(state: State, class: Option<FailureClass>, exit: Option<i32>, expected: Option<u8>) {
        let job = Job {
            state,
            failure: class.map(|class| Failure { class, ..Failure::default() }),
            exit: exit.map(|code| Exit { code, signal: None }),
            ..Job::default()
        };
        assert_eq!(of(&job), expected, "{state:?} {class:?} {exit:?}");
    }

    #[test]
    fn a_job_that_goes_on_has_none() {
        for state in [State::Queued, State::Running, State::Unknown] {
            check(state, None, None, None);
        }
    }

    #[test]
    fn states_have_their_codes() {
        check(State::Completed, None, Some(0), Some(0));
        check(State::Completed, None, None, Some(0));
        check(State::Timeout, None, None, Some(124));
        check(State::Timeout, None, Some(137), Some(124));
        check(State::Cancelled, None, Some(143), Some(130));
    }

    #[test]
    fn a_command_keeps_its_own() {
        for code in [1, 2, 7, 126, 127, 128 + 9, 255] {
            let expected = u8::try_from(code).ok();
            check(State::Failed, Some(FailureClass::User), Some(code), expected);
            check(State::Failed, Some(FailureClass::DiskFull), Some(code), expected);
            check(State::Failed, Some(FailureClass::EgressDenied), Some(code), expected);
            check(State::Failed, Some(FailureClass::Registry), Some(code), expected);
        }
    }

    #[test]
    fn classes_have_their_codes() {
        check(State::Failed, Some(FailureClass::Oom), Some(137), Some(137));
        check(State::Failed, Some(FailureClass::Oom), Some(1), Some(137));
        check(State::Failed, Some(FailureClass::Oom), None, Some(137));
        check(State::Failed, Some(FailureClass::Policy), None, Some(125));
        check(State::Failed, Some(FailureClass::EgressDenied), None, Some(125));
        check(State::Failed, Some(FailureClass::Registry), None, Some(125));
        check(State::Failed, Some(FailureClass::Registry), Some(0), Some(125));
        check(State::Failed, Some(FailureClass::Source), None, Some(125));
        check(State::Failed, Some(FailureClass::Source), Some(1), Some(125));
        check(State::Failed, Some(FailureClass::Infrastructure), Some(3), Some(125));
        check(State::Failed, Some(FailureClass::Unknown), Some(3), Some(125));
    }

    #[test]
    fn a_build_that_failed_exits_with_1() {
        let check = |class, exit: Option<i32>, expected| {
            let job = Job {
                state: State::Failed,
                failure: Some(Failure { class, ..Failure::default() }),
                exit: exit.map(|code| Exit { code, signal: None }),
                spec: Spec { build: Some(BuildOptions::default()), ..Spec::default() },
                ..Job::default()
            };
            assert_eq!(of(&job), Some(expected), "{class:?} {exit:?}");
        };
        check(FailureClass::User, Some(1), 1);
        check(FailureClass::User, None, 1);
        check(FailureClass::User, Some(17), 1);
        // Of a push: the engine itself went well.
        check(FailureClass::Registry, Some(0), 1);
        check(FailureClass::EgressDenied, Some(1), 1);
        check(FailureClass::DiskFull, Some(1), 1);
        check(FailureClass::Oom, Some(137), 137);
        check(FailureClass::Infrastructure, Some(1), 125);
        check(FailureClass::Policy, None, 125);
    }

    fn check_work(spec: Spec, class: FailureClass, exit: Option<i32>, expected: u8) {
        let job = Job {
            state: State::Failed,
            failure: Some(Failure { class, ..Failure::default() }),
            exit: exit.map(|code| Exit { code, signal: None }),
            spec,
            ..Job::default()
        };
        assert_eq!(of(&job), Some(expected), "{class:?} {exit:?}");
    }

    #[test]
    fn a_root_filesystem_that_was_not_made_exits_with_1() {
        let check = |class, exit, expected| {
            let rootfs = Some(RootfsOptions::default());
            check_work(Spec { rootfs, ..Spec::default() }, class, exit, expected);
        };
        check(FailureClass::User, Some(2), 1);
        check(FailureClass::User, None, 1);
        check(FailureClass::Source, None, 1);
        check(FailureClass::Registry, None, 1);
        check(FailureClass::DiskFull, Some(1), 1);
        check(FailureClass::Oom, None, 137);
        check(FailureClass::Policy, None, 125);
        check(FailureClass::Infrastructure, None, 125);
    }

    #[test]
    fn a_machine_has_its_commands_code_or_1() {
        let check = |class, exit, expected| {
            let boot = Some(BootOptions::default());
            check_work(Spec { boot, ..Spec::default() }, class, exit, expected);
        };
        check(FailureClass::User, Some(3), 3);
        check(FailureClass::User, None, 1);
        check(FailureClass::DiskFull, None, 1);
        check(FailureClass::Source, None, 125);
        check(FailureClass::Infrastructure, None, 125);
    }

    #[test]
    fn a_failed_job_never_exits_zero() {
        check(State::Failed, None, Some(0), Some(125));
        check(State::Failed, Some(FailureClass::User), Some(0), Some(125));
        check(State::Failed, Some(FailureClass::User), Some(256), Some(125));
        check(State::Failed, Some(FailureClass::User), Some(-1), Some(125));
        check(State::Failed, Some(FailureClass::DiskFull), None, Some(125));
    }
}
