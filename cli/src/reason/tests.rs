use super::*;
use crate::record::{Exit, Spec};

fn failed(class: FailureClass, message: &str, details: &[(&str, &str)], exit: Option<Exit>) -> Job {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    Job {
        state: State::Failed,
        failure: Some(Failure {
            class,
            message: message.to_owned(),
            details: details.iter().map(owned).collect(),
        }),
        exit,
        spec: Spec {
            memory_bytes: 256 << 20,
            disk_bytes: 10 << 30,
            timeout_seconds: Some(5.0),
            ..Spec::default()
        },
        ..Job::default()
    }
}

fn exit(code: i32) -> Exit {
    Exit { code, signal: (code > 128).then_some(code - 128) }
}

#[track_caller]
fn check(job: &Job, expected: Option<&str>) {
    assert_eq!(of(job).as_deref(), expected);
}

#[test]
fn a_commands_own_exit_code_needs_no_words() {
    check(&Job { state: State::Completed, exit: Some(exit(0)), ..Job::default() }, None);
    check(&failed(FailureClass::User, "the command exited with 7", &[], Some(exit(7))), None);
    check(&Job { state: State::Running, ..Job::default() }, None);
}

#[test]
fn a_signal_is_named() {
    let job = failed(FailureClass::User, "", &[], Some(exit(128 + 11)));
    check(&job, Some("the command was ended by signal 11 (SIGSEGV)"));
    let job = failed(FailureClass::User, "", &[], Some(exit(128 + 40)));
    check(&job, Some("the command was ended by signal 40"));
}

#[test]
fn a_command_that_could_not_start_is_named() {
    let details = [("reason", "not_found")];
    let job = failed(FailureClass::User, "nope: command not found", &details, Some(exit(127)));
    check(&job, Some("nope: command not found"));
    check(&failed(FailureClass::User, "odd", &[], None), Some("odd"));
}

#[test]
fn limits_are_named_with_the_option_that_raises_them() {
    let words = "out of memory: the command was killed at its limit of 256 MiB (raise --memory)";
    check(&failed(FailureClass::Oom, "", &[], Some(exit(137))), Some(words));
    check(&failed(FailureClass::Oom, "", &[("limit_bytes", "268435456")], None), Some(words));
    let details = [("disk", "scratch"), ("size_bytes", "67108864")];
    check(
        &failed(FailureClass::DiskFull, "", &details, Some(exit(1))),
        Some("the scratch disk is full (64 MiB; raise --disk); the command exited with 1"),
    );
    check(
        &failed(FailureClass::DiskFull, "", &[("size_bytes", "many")], None),
        Some("the scratch disk is full (10 GiB; raise --disk)"),
    );
    check(
        &failed(FailureClass::DiskFull, "", &[("resource", "inodes")], None),
        Some("the scratch disk has no inodes left (10 GiB; raise --disk)"),
    );
    let timeout = Job { state: State::Timeout, ..failed(FailureClass::User, "", &[], None) };
    check(&timeout, Some("timed out after 5s"));
    check(&Job { state: State::Timeout, ..Job::default() }, Some("timed out"));
    check(&Job { state: State::Cancelled, ..Job::default() }, Some("cancelled"));
}

#[test]
fn kilns_own_failures_carry_their_message() {
    let job = failed(FailureClass::Infrastructure, "qemu ended", &[("step", "boot")], None);
    check(&job, Some("Kiln failed at step \"boot\": qemu ended"));
    let job = failed(FailureClass::Infrastructure, "qemu ended", &[], None);
    check(&job, Some("Kiln failed: qemu ended"));
    let job = failed(FailureClass::Unknown, "who knows", &[], None);
    check(&job, Some("the job failed: who knows"));
    let silent = Job { state: State::Failed, ..Job::default() };
    check(&silent, Some("the job failed and its record does not say why"));
}

#[test]
fn what_was_out_of_reach_is_named() {
    let job = failed(FailureClass::Source, "no such path", &[], None);
    check(&job, Some("could not bring in a source: no such path"));
    let job = failed(FailureClass::Source, "not a tar", &[("source", "/input")], None);
    check(&job, Some("could not bring in \"/input\": not a tar"));
    let job = failed(FailureClass::Registry, "status 429", &[("host", "docker.io")], None);
    check(&job, Some("the registry docker.io failed: status 429"));
    let refused = "the command exited with 1, after docker.io answered 429 for library/debian";
    let details = [("host", "docker.io"), ("repository", "library/debian"), ("status", "429")];
    check(&failed(FailureClass::Registry, refused, &details, Some(exit(1))), Some(refused));
    let denied = "the command exited with 6, after its network refused one.test: it has no rule";
    let job = failed(FailureClass::EgressDenied, denied, &[("host", "one.test")], Some(exit(6)));
    check(&job, Some(denied));
}

#[test]
fn a_guests_words_do_not_steer_the_terminal() {
    let job = failed(FailureClass::Policy, "frame \x1b[2J", &[], None);
    check(&job, Some("stopped for breaking the protocol: frame \\u{1b}[2J"));
}
