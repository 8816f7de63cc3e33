//! Every way in which a job ends has its exit code, and words where the code does not say it.

use kiln_proto::v1::{self, FailureClass};

use crate::{
    command::{bare, finish, run},
    fake::{Fake, completed, exited, failed, timed_out},
};

async fn check(end: fn(&mut v1::Job), code: i32, words: &str) {
    let fake = Fake::running(Vec::new(), end);
    let (actual, stdout, stderr) =
        run(&fake, &["run", "--memory", "256M", "--timeout", "5s", "cmd"]).await;
    let words = if words.is_empty() { String::new() } else { format!("kiln: {words}\n") };
    assert_eq!((actual, stderr), (code, words));
    assert!(stdout.is_empty());
}

#[tokio::test]
async fn a_commands_own_code_is_passed_on() {
    check(completed, 0, "").await;
    check(exited::<1>, 1, "").await;
    check(exited::<7>, 7, "").await;
    check(exited::<255>, 255, "the command was ended by signal 127").await;
    check(exited::<139>, 139, "the command was ended by signal 11 (SIGSEGV)").await;
}

#[tokio::test]
async fn limits_have_codes_and_words() {
    check(timed_out, 124, "timed out after 5s").await;
    check(
        |job| failed(job, FailureClass::Oom, "", &[]),
        137,
        "out of memory: the command was killed at its limit of 256 MiB (raise --memory)",
    )
    .await;
    check(
        |job| {
            exited::<1>(job);
            let details = [("disk", "scratch"), ("size_bytes", "67108864")];
            failed(job, FailureClass::DiskFull, "no space left", &details);
        },
        1,
        "the scratch disk is full (64 MiB; raise --disk); the command exited with 1",
    )
    .await;
}

#[tokio::test]
async fn a_command_that_cannot_start_is_told_as_docker_tells_it() {
    check(
        |job| {
            exited::<127>(job);
            let details = [("reason", "not_found")];
            failed(job, FailureClass::User, "\"cmd\": no such command", &details);
            job.exit = Some(v1::ExitStatus { code: 127, signal: 0 });
        },
        127,
        "\"cmd\": no such command",
    )
    .await;
    check(
        |job| {
            let details = [("reason", "unknown_user")];
            failed(job, FailureClass::User, "user \"x\" is not in the image", &details);
            job.exit = Some(v1::ExitStatus { code: 126, signal: 0 });
        },
        126,
        "user \"x\" is not in the image",
    )
    .await;
}

#[tokio::test]
async fn a_registrys_refusal_explains_a_commands_own_code() {
    let words = "the command exited with 1, after docker.io answered 429 for library/debian";
    check(
        |job| {
            exited::<1>(job);
            let details =
                [("host", "docker.io"), ("repository", "library/debian"), ("status", "429")];
            let words =
                "the command exited with 1, after docker.io answered 429 for library/debian";
            failed(job, FailureClass::Registry, words, &details);
            job.exit = Some(v1::ExitStatus { code: 1, signal: 0 });
        },
        1,
        words,
    )
    .await;
    check(
        |job| failed(job, FailureClass::Registry, "no answer", &[("host", "docker.io")]),
        125,
        "the registry docker.io failed: no answer",
    )
    .await;
}

#[tokio::test]
async fn kilns_own_failures_are_125() {
    check(
        |job| failed(job, FailureClass::Infrastructure, "qemu ended", &[("step", "boot")]),
        125,
        "Kiln failed at step \"boot\": qemu ended",
    )
    .await;
    check(
        |job| failed(job, FailureClass::Policy, "a frame of \x1b[2J", &[]),
        125,
        "stopped for breaking the protocol: a frame of \\u{1b}[2J",
    )
    .await;
}

#[tokio::test]
async fn bad_usage_is_125_and_help_is_not() {
    for (arguments, code) in [
        (&["run"][..], 125),
        (&["run", "--bogus", "true"], 125),
        (&["run", "--memory", "1.5g", "true"], 125),
        (&["run", "-d", "-i", "true"], 125),
        (&["run", "-it", "sh"], 125),
        (&["bogus"], 125),
        (&["job", "get"], 125),
        (&[], 125),
        (&["--help"], 0),
        (&["run", "--help"], 0),
        (&["--version"], 0),
        (&["version"], 0),
        (&["version", "--json"], 0),
        (&["completions", "bash"], 0),
    ] {
        let (actual, stdout, stderr) = finish(bare().args(arguments).spawn().unwrap()).await;
        assert_eq!(actual, code, "{arguments:?}: {stderr}");
        assert_eq!(stdout.is_empty(), code != 0, "{arguments:?}");
        assert_eq!(stderr.is_empty(), code == 0, "{arguments:?}: {stderr}");
    }
}
