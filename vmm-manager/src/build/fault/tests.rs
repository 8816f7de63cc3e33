//! The words are those of real builds.

use std::time::{Duration, UNIX_EPOCH};

use kiln_net::record::{EgressRecord, Reason, Refusal, Refused as Denied};

use super::*;
use crate::{
    guest::DiskFull,
    job::{DiskFormat, OutputDisk},
    registry::{Refused, RegistryRecord},
    store::samples,
};

fn spec() -> JobSpec {
    let output = |name: &str| OutputDisk {
        name: name.to_owned(),
        path: format!("/run/kiln/build/out/{name}"),
        format: DiskFormat::Raw,
        max_bytes: 5 << 30,
    };
    JobSpec { outputs: vec![output("image"), output("tree")], ..samples::spec("build") }
}

fn exit(status: ExecStatus) -> ExecExit {
    ExecExit {
        status,
        out_of_memory: false,
        timed_out: false,
        memory_peak_bytes: 7,
        duration: Duration::from_secs(1),
        disk_full: None,
        unkillable: 0,
    }
}

fn error(message: &str) -> ErrorEvent {
    ErrorEvent { message: message.to_owned(), ..ErrorEvent::default() }
}

/// The failure of a build whose client exited with 1.
fn judged(error: &ErrorEvent, tail: &str, refusals: Refusals<'_>) -> Failure {
    let evidence = Evidence {
        error: Some(error),
        step: None,
        tail: tail.as_bytes(),
        refusals,
        ended_at: UNIX_EPOCH + Duration::from_secs(1000),
    };
    failure(judge(exited(&exit(ExecStatus::Code(1)), &spec()), &spec(), evidence))
}

fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed { failure, .. } => failure,
        other => panic!("{other:?} is no failure"),
    }
}

fn check(message: &str, class: FailureClass, details: &[(&str, &str)]) {
    let failure = judged(&error(message), "", Refusals::default());
    let mut expected = vec![("step", "work")];
    expected.extend(details);
    expected.sort_unstable();
    let told: Vec<_> =
        failure.details.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
    assert_eq!((failure.class, told), (class, expected), "{message}");
    assert!(failure.message.contains(message), "{}", failure.message);
}

#[test]
fn what_is_wrong_with_the_build_itself() {
    let user =
        |message: &str, details: &[(&str, &str)]| check(message, FailureClass::User, details);
    for message in [
        "failed to solve: dockerfile parse error on line 3: unknown instruction: COPPY (did you mean \
         COPY?)",
        "failed to solve: dockerfile parse error on line 2: unknown flag: nope",
        "failed to solve: dockerfile parse error on line 2: ARG requires at least one argument",
        "failed to solve: unterminated heredoc",
        "failed to solve: ENV must have two arguments",
        "failed to solve: the Dockerfile cannot be empty",
        "failed to solve: failed to parse stage name \"Foo/BAR:1\": invalid reference format: \
         repository name (BAR) must be lowercase",
    ] {
        user(message, &[("reason", "dockerfile")]);
    }
    user(
        "failed to solve: failed to read dockerfile: open Dockerfile: no such file or directory",
        &[("reason", "no_dockerfile")],
    );
    user(
        "failed to solve: target stage \"nope\" could not be found",
        &[("reason", "no_target"), ("target", "nope")],
    );
    user(
        "failed to solve: failed to compute cache key: failed to calculate checksum of ref \
         uh2rwby8z0kfucxldxh7ubt0g::fvkb86sgq89sbjnqdts8w2tu8: \"/missing.txt\": not found",
        &[("reason", "no_such_file"), ("path", "/missing.txt")],
    );
    user("failed to solve: secret tok: not found", &[("reason", "no_secret"), ("secret", "tok")]);
    user(
        "failed to solve: process \"/bin/sh -c echo before; echo bad >&2; exit 3\" did not complete \
         successfully: exit code: 3",
        &[("exit_code", "3")],
    );
    user(
        "failed to solve: process \"/bin/sh -c echo no space left on device; exit 7\" did not \
         complete successfully: exit code: 7",
        &[("exit_code", "7")],
    );
    user(
        "failed to solve: process \"/bin/foreign\" did not complete successfully: exec /bin/foreign: \
         exec format error",
        &[("reason", "platform")],
    );
    user(
        "failed to solve: failed to load LLB: network.host is not allowed",
        &[("reason", "not_allowed")],
    );
    user("invalid tag \"Foo Bar\": invalid reference format", &[]);
    user("failed to solve: exporter \"nope\" could not be found", &[]);
    user("failed to solve: Canceled: context canceled", &[("reason", "interrupted")]);
}

#[test]
fn what_is_wrong_around_it() {
    check(
        "failed to solve: failed to copy files: write /x: no space left on device",
        FailureClass::DiskFull,
        &[],
    );
    check(
        "failed to receive status: rpc error: code = Unavailable desc = error reading from server: \
         EOF",
        FailureClass::Infrastructure,
        &[("reason", "engine")],
    );
    check(
        "failed to solve: error writing layer blob: exporting cache to registry: 500",
        FailureClass::Registry,
        &[("reason", "cache")],
    );
}

/// As the engine tells it, where the host saw nothing.
#[test]
fn images_that_are_not_to_be_had() {
    let of = |what: &str| {
        format!(
            "failed to solve: reg.test:5443/team/nope:1: failed to resolve source metadata for \
             reg.test:5443/team/nope:1: {what}"
        )
    };
    let place = [("host", "reg.test:5443"), ("repository", "team/nope")];
    let unavailable = |what: &str, status: &str| {
        let details = [&place[..], &[("status", status)]].concat();
        check(&of(what), FailureClass::Registry, &details);
    };
    unavailable("reg.test:5443/team/nope:1: not found", "404");
    unavailable(
        "unexpected status from HEAD request to https://reg.test:5443/v2/team/nope/manifests/1: 401 x",
        "401",
    );
    unavailable(
        "unexpected status from HEAD request to https://reg.test:5443/v2/team/nope/manifests/1: 403 x",
        "403",
    );
    unavailable("unexpected status code https://reg.test:5443/v2/: 429 Too Many Requests", "429");
    unavailable("pulling from host reg.test:5443 failed with status code: 401 Unauthorized", "401");
    check(&of("dial tcp: i/o timeout"), FailureClass::Registry, &place);
}

fn refused(registry: &str, repository: &str, code: &str, reason: &str) -> Refused {
    let at = UNIX_EPOCH + Duration::from_secs(900);
    Refused {
        registry: Some(registry.parse().unwrap()),
        repository: repository.to_owned(),
        target: "12".to_owned(),
        code: code.to_owned(),
        reason: reason.to_owned(),
        upstream_status: None,
        retry_after_seconds: None,
        times: 1,
        first: at,
        last: at,
    }
}

const HUB: &str = "failed to solve: debian:12: failed to resolve source metadata for \
                   docker.io/library/debian:12: unexpected status from HEAD request to \
                   https://registry-1.docker.io/v2/library/debian/manifests/12: 403 the egress policy \
                   does not name docker.io: allow it to have library/debian:12";

fn seen(message: &str, refused: Refused) -> Failure {
    let record = RegistryRecord { refusals: vec![refused], ..RegistryRecord::default() };
    judged(&error(message), "", Refusals { network: None, registry: Some(&record) })
}

#[test]
fn a_policy_that_names_no_such_registry_is_a_denial_with_its_host() {
    let words = "the egress policy does not name docker.io: allow it to have library/debian:12";
    let failure = seen(HUB, refused("docker.io", "library/debian", "DENIED", words));
    assert_eq!(failure.class, FailureClass::EgressDenied, "{failure:?}");
    assert_eq!(failure.details["host"], "docker.io");
    assert_eq!(failure.details["egress"], "not_allowed");
    assert!(!failure.details.contains_key("status"), "{failure:?}");
}

#[test]
fn what_the_host_saw_goes_before_what_the_guest_says() {
    let upstream = |code: &str, status: u16| Refused {
        upstream_status: Some(status),
        ..refused("docker.io", "library/debian", code, "docker.io does not give it")
    };
    for (code, status) in
        [("DENIED", 401), ("DENIED", 403), ("MANIFEST_UNKNOWN", 404), ("TOOMANYREQUESTS", 429)]
    {
        let failure = seen(HUB, upstream(code, status));
        assert_eq!(failure.class, FailureClass::Registry, "{failure:?}");
        assert_eq!(failure.details["status"], status.to_string());
        assert_eq!(failure.details["host"], "docker.io");
        assert_eq!(failure.details["repository"], "library/debian");
    }
    // A wait that the registry asked for is told as it was seen, whatever the words are.
    let limited = Refused { retry_after_seconds: Some(90), ..upstream("TOOMANYREQUESTS", 429) };
    let failure = seen(HUB, limited);
    assert_eq!(failure.details["retry_after_seconds"], "90");
    // Something else was refused before, and has nothing to do with it.
    let failure = seen("failed to solve: unterminated heredoc", upstream("DENIED", 401));
    assert_eq!(failure.details["reason"], "dockerfile");
}

#[test]
fn a_step_whose_output_names_a_host_that_was_refused() {
    let at = UNIX_EPOCH + Duration::from_secs(900);
    let refusal = Refusal {
        what: Denied::Query { name: "one.test".to_owned(), kind: "A".to_owned() },
        reason: Reason::NotAllowed,
        times: 1,
        first: Some(at),
        last: Some(at),
    };
    let record = EgressRecord { refusals: vec![refusal], ..EgressRecord::default() };
    let refusals = Refusals { network: Some(&record), registry: None };
    let run = "failed to solve: process \"/bin/sh -c fetch\" did not complete successfully: exit \
               code: 1";
    let failure = judged(&error(run), "fetch: one.test: bad address\n", refusals);
    assert_eq!(failure.class, FailureClass::EgressDenied, "{failure:?}");
    assert_eq!(
        (failure.details["host"].as_str(), failure.details["exit_code"].as_str()),
        ("one.test", "1")
    );
    let failure = judged(&error(run), "a test failed\n", refusals);
    assert_eq!(failure.class, FailureClass::User, "{failure:?}");
}

#[test]
fn where_it_was_is_told() {
    let error = ErrorEvent {
        step: Some(4),
        file: "Dockerfile".to_owned(),
        first_line: 2,
        last_line: 3,
        ..error("failed to solve: process \"x\" did not complete successfully: exit code: 2")
    };
    let step = StepEvent {
        number: 4,
        digest: String::new(),
        name: "[2/2] RUN x".to_owned(),
        inputs: Vec::new(),
        started_at: None,
        completed_at: None,
        cached: false,
        error: None,
    };
    let evidence = Evidence {
        error: Some(&error),
        step: Some(&step),
        tail: &[],
        refusals: Refusals::default(),
        ended_at: UNIX_EPOCH,
    };
    let outcome = exited(&exit(ExecStatus::Code(1)), &spec());
    let told = failure(judge(outcome, &spec(), evidence)).details;
    for (name, value) in [
        ("file", "Dockerfile"),
        ("line", "2"),
        ("last_line", "3"),
        ("build_step", "4"),
        ("build_step_name", "[2/2] RUN x"),
        ("exit_code", "2"),
    ] {
        assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[test]
fn limits_that_the_host_knows_of() {
    let oom = ExecExit { out_of_memory: true, ..exit(ExecStatus::Code(1)) };
    let run = error("failed to solve: process \"x\" did not complete successfully: exit code: 9");
    let evidence = Evidence {
        error: Some(&run),
        step: None,
        tail: &[],
        refusals: Refusals::default(),
        ended_at: UNIX_EPOCH,
    };
    let told = failure(judge(exited(&oom, &spec()), &spec(), evidence));
    assert_eq!((told.class, told.details["peak_bytes"].as_str()), (FailureClass::Oom, "7"));
    assert!(told.message.contains("exit code: 9"), "{}", told.message);
    let oom = ExecExit { out_of_memory: true, ..exit(ExecStatus::Code(0)) };
    assert_eq!(exited(&oom, &spec()), Outcome::Completed);
    let late = ExecExit { timed_out: true, ..exit(ExecStatus::Signal(9)) };
    assert_eq!(exited(&late, &spec()), Outcome::Timeout);
    for (mount, disk) in [("/var/lib/docker", "engine"), ("/", "scratch")] {
        let full = DiskFull { mount: mount.to_owned(), size_bytes: 1 << 30, inodes: false };
        let full = ExecExit { disk_full: Some(full), ..exit(ExecStatus::Code(1)) };
        let told = failure(exited(&full, &spec()));
        assert_eq!((told.class, told.details["disk"].as_str()), (FailureClass::DiskFull, disk));
    }
}

#[test]
fn an_output_that_is_full_has_its_name() {
    let full = |disk: &str| {
        let error = ErrorEvent { full_disk: Some(disk.to_owned()), ..error("broken pipe") };
        judged(&error, "", Refusals::default())
    };
    let told = full("kiln-out-1");
    assert_eq!((told.class, told.details["output"].as_str()), (FailureClass::DiskFull, "tree"));
    let told = full("kiln-out-7");
    assert_eq!((told.class, told.details.contains_key("output")), (FailureClass::DiskFull, false));
}

#[test]
fn what_ended_otherwise_stays_what_it_is() {
    let error = error("failed to solve: unterminated heredoc");
    let evidence = Evidence {
        error: Some(&error),
        step: None,
        tail: &[],
        refusals: Refusals::default(),
        ended_at: UNIX_EPOCH,
    };
    for outcome in [Outcome::Completed, Outcome::Cancelled, Outcome::Timeout] {
        assert_eq!(judge(outcome.clone(), &spec(), evidence), outcome);
    }
    let lost = Failure::new(FailureClass::Infrastructure, "the connection was lost");
    assert_eq!(failure(judge(lost.clone().into(), &spec(), evidence)), lost);
    let parts = Failure::new(FailureClass::User, "no emulator").with("reason", "unsupported");
    assert_eq!(failure(judge(parts.clone().into(), &spec(), evidence)), parts);
}
