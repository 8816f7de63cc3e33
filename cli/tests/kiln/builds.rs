//! `kiln build …`, and builds in `kiln job …`.

mod outputs;
mod requests;

use std::{io::Read, time::Duration};

use bytes::Bytes;
use kiln_proto::v1::{self, read_build_log_response::Event};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    command::{LIMIT, ended, finish, kiln, run, signal},
    fake::{BuildPlan, BuildStep, Death, Fake, Plan, failed},
    terminal::terminal,
};

fn time(milliseconds: i64) -> prost_types::Timestamp {
    let nanos = i32::try_from(milliseconds % 1000).unwrap() * 1_000_000;
    prost_types::Timestamp { seconds: 1000 + milliseconds / 1000, nanos }
}

fn step(number: u32, name: &str, completed: Option<i64>, error: &str) -> v1::Step {
    v1::Step {
        number,
        digest: format!("sha256:{number:064}"),
        name: name.to_owned(),
        inputs: Vec::new(),
        started_at: Some(time(0)),
        completed_at: completed.map(time),
        cached: false,
        error: error.to_owned(),
    }
}

fn told(event: Event) -> BuildStep {
    BuildStep::Event(event)
}

fn log(number: u32, at: i64, data: &'static str) -> BuildStep {
    told(Event::Log(v1::StepLog {
        step: number,
        stream: v1::Stream::Stdout.into(),
        time: Some(time(at)),
        data: Bytes::from_static(data.as_bytes()),
    }))
}

fn content(digest: &str) -> v1::Content {
    let (digest, media_type) = (digest.to_owned(), "application/json".to_owned());
    v1::Content { digest, media_type, size_bytes: 697 }
}

fn result() -> v1::BuildResult {
    v1::BuildResult {
        images: vec![v1::BuiltImage {
            export: "image".to_owned(),
            digest: "sha256:m".to_owned(),
            media_type: "application/json".to_owned(),
            size_bytes: 2048,
            platforms: vec![v1::BuiltPlatform {
                platform: "linux/amd64".to_owned(),
                manifest: Some(content("sha256:m")),
                config: Some(content("sha256:c")),
                ..v1::BuiltPlatform::default()
            }],
            names: vec!["local/app:latest".to_owned()],
        }],
        cache_key: "key".to_owned(),
        context_bytes: 1024,
        context_digests: vec!["sha256:x".to_owned()],
        exported_bytes: 2048,
    }
}

/// Two steps, one from a cache.
fn good() -> BuildPlan {
    let cached = v1::Step { cached: true, ..step(1, "[1/2] FROM base", Some(0), "") };
    BuildPlan {
        steps: vec![
            told(Event::Step(cached.clone())),
            told(Event::Step(step(2, "[2/2] RUN make", None, ""))),
            log(2, 123, "one\ntwo\n"),
            told(Event::Step(step(2, "[2/2] RUN make", Some(300), ""))),
        ],
        graph: v1::BuildProgressGraph {
            steps: vec![cached, step(2, "[2/2] RUN make", Some(300), "")],
            executed: 1,
            cached: 1,
            ..v1::BuildProgressGraph::default()
        },
        result: Some(result()),
        ..BuildPlan::default()
    }
}

const PLAIN: &str = "#1 [1/2] FROM base\n#1 CACHED\n\n#2 [2/2] RUN make\n#2 0.123 one\n#2 0.123 two\n\
                     #2 DONE 0.3s\n";

fn fake(build: BuildPlan) -> Fake {
    Fake::start(Plan { build, ..Plan::default() })
}

fn context() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("Dockerfile"), "FROM local/base\nRUN make\n").unwrap();
    directory
}

/// `kiln build ARGUMENTS` of a small context.
async fn build(fake: &Fake, arguments: &[&str]) -> (i32, String, String) {
    let context = context();
    let path = context.path().to_str().unwrap();
    let arguments: Vec<_> = ["build"].iter().chain(arguments).copied().chain([path]).collect();
    let (code, stdout, stderr) = run(fake, &arguments).await;
    (code, String::from_utf8(stdout).unwrap(), stderr)
}

#[tokio::test]
async fn progress_is_plain_where_there_is_no_terminal() {
    let fake = fake(good());
    let (code, stdout, stderr) = build(&fake, &["-t", "local/app"]).await;
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert!(stderr.starts_with(PLAIN), "{stderr}");
    assert!(stderr.contains("kiln: image sha256:m (2 KiB, linux/amd64)\n"), "{stderr}");
    assert!(stderr.contains("kiln: named local/app:latest\n"), "{stderr}");
    assert!(stderr.contains("1 of 2 steps cached"), "{stderr}");
}

#[tokio::test]
async fn quiet_prints_the_id_alone() {
    let fake = fake(good());
    let (code, stdout, stderr) = build(&fake, &["-q"]).await;
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "sha256:c\n", ""));
    let (code, stdout, stderr) = build(&fake, &["--progress", "quiet", "-t", "local/app"]).await;
    assert_eq!((code, stdout.as_str()), (0, ""));
    assert!(!stderr.contains("RUN make"), "{stderr}");
}

#[tokio::test]
async fn json_is_the_record_and_rawjson_its_progress() {
    let fake = fake(good());
    let (code, stdout, stderr) = build(&fake, &["--json", "--progress=rawjson"]).await;
    assert_eq!(code, 0, "{stderr}");
    let record: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(record["exit_code"], 0);
    assert_eq!(record["build"]["cached"], 1);
    assert_eq!(record["build"]["result"]["images"][0]["digest"], "sha256:m");
    assert_eq!(record["build"]["steps"][1]["name"], "[2/2] RUN make");
    let lines: Vec<Value> = stderr
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4, "{stderr}");
    assert_eq!(lines[0]["vertexes"][0]["cached"], true);
    assert_eq!(lines[2]["logs"][0]["data"], "b25lCnR3bwo=");
}

#[tokio::test]
async fn a_build_that_fails_says_where_and_exits_with_1() {
    let mut plan = good();
    plan.steps.pop();
    let error = "process \"/bin/sh -c make\" did not complete successfully: exit code: 3";
    plan.steps.push(told(Event::Step(step(2, "[2/2] RUN make", Some(300), error))));
    plan.steps.push(told(Event::Fault(v1::BuildFault {
        message: format!("failed to solve: {error}"),
        step: 2,
        file: "Dockerfile".to_owned(),
        first_line: 2,
        last_line: 2,
        excerpt: "   1 |     FROM local/base\n   2 | >>> RUN make".to_owned(),
    })));
    let end = |job: &mut v1::Job| {
        failed(job, v1::FailureClass::User, "exit code: 3", &[("step", "2")]);
        job.exit = Some(v1::ExitStatus { code: 1, signal: 0 });
    };
    let fake = Fake::start(Plan { build: plan, end, ..Plan::default() });
    let (code, stdout, stderr) = build(&fake, &["-t", "local/app", "-q"]).await;
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    let expected = format!(
        "------\n > [2/2] RUN make:\n0.123 one\n0.123 two\n------\nDockerfile:2\n\
         --------------------\n   1 |     FROM local/base\n   2 | >>> RUN make\n\
         --------------------\nERROR: failed to solve: {error}\n"
    );
    assert_eq!(stderr, expected);
}

#[tokio::test]
async fn refused_egress_says_what_to_add() {
    let end = |job: &mut v1::Job| {
        let details = [("host", "deb.test"), ("port", "80")];
        failed(job, v1::FailureClass::EgressDenied, "deb.test was refused", &details);
        job.exit = Some(v1::ExitStatus { code: 1, signal: 0 });
    };
    let fake = Fake::start(Plan { build: good(), end, ..Plan::default() });
    let (code, _, stderr) = build(&fake, &[]).await;
    assert_eq!(code, 1, "{stderr}");
    let expected = "kiln: deb.test was refused; add --egress allow=deb.test:80\n";
    assert!(stderr.ends_with(expected), "{stderr}");
}

#[tokio::test]
async fn kilns_own_failure_is_125_and_a_refusal_is_kilnds_words() {
    let end = |job: &mut v1::Job| {
        failed(job, v1::FailureClass::Infrastructure, "secrets are lost: create it again", &[]);
    };
    let fake = Fake::start(Plan { build: good(), end, ..Plan::default() });
    let (code, _, stderr) = build(&fake, &[]).await;
    assert_eq!(code, 125);
    assert!(stderr.contains("Kiln failed: secrets are lost: create it again"), "{stderr}");

    let refuse_create = Some(tonic::Status::invalid_argument("spec.build.target: too long"));
    let fake = Fake::start(Plan { refuse_create, ..Plan::default() });
    let (code, _, stderr) = build(&fake, &["-t", "local/app"]).await;
    assert_eq!((code, stderr.as_str()), (125, "kiln: spec.build.target: too long\n"));
}

#[tokio::test]
async fn a_restarted_kilnd_loses_no_line_and_doubles_none() {
    let mut plan = good();
    plan.steps.insert(1, BuildStep::Restart(Duration::from_millis(200)));
    plan.steps.insert(4, BuildStep::Restart(Duration::from_millis(200)));
    let fake = Fake::start(Plan {
        build: plan,
        deaths: vec![Death::InCreate(Duration::from_millis(100))],
        ..Plan::default()
    });
    let (code, _, stderr) = build(&fake, &["-t", "local/app"]).await;
    assert_eq!(code, 0, "{stderr}");
    let lines: Vec<_> = stderr.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(lines, PLAIN.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>());
    let keys: Vec<_> = fake
        .state
        .builds
        .created
        .lock()
        .unwrap()
        .iter()
        .map(|r| r.idempotency_key.clone())
        .collect();
    assert!(keys.len() > 1 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn ctrl_c_cancels_and_waits() {
    let mut plan = good();
    plan.steps.insert(3, BuildStep::UntilCancelled);
    let fake = fake(plan);
    let context = context();
    let child = kiln(&fake, &["build", context.path().to_str().unwrap()]).spawn().unwrap();
    let mut reads = fake.state.builds.reads.subscribe();
    let begun = reads.wait_for(|reads| !reads.is_empty());
    tokio::time::timeout(LIMIT, begun).await.expect("nobody reads the log").unwrap();
    signal(&child, Signal::INT);
    let (code, _, stderr) = finish(child).await;
    assert_eq!(code, 130, "{stderr}");
    assert!(stderr.contains("cancelling") && stderr.ends_with("kiln: cancelled\n"), "{stderr}");
    assert_eq!(fake.state.cancelled.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn jobs_of_builds_are_shown_as_builds() {
    let fake = fake(good());
    let (code, id, stderr) =
        build(&fake, &["-d", "-t", "local/app", "--build-arg", "A=hush"]).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    let id = id.trim();
    let (code, stdout, stderr) = run(&fake, &["job", "logs", "-f", id]).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(String::from_utf8(stdout).unwrap(), PLAIN);
    let (_, stdout, _) = run(&fake, &["job", "logs", "--json", "--offset", "200", id]).await;
    let lines: Vec<Value> = String::from_utf8(stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["log"]["data"], &lines[0]["next_offset"]),
        (&"one\ntwo\n".into(), &300.into())
    );
    let (code, _, stderr) = run(&fake, &["job", "logs", "-t", id]).await;
    assert_eq!(code, 125);
    assert!(stderr.contains("--timestamps is not for builds"), "{stderr}");

    let (_, stdout, _) = run(&fake, &["job", "get", id]).await;
    let stdout = String::from_utf8(stdout).unwrap();
    for words in [
        "Build        Dockerfile\n",
        "Names        local/app\n",
        "Steps        2 steps, 1 of them cached",
        "Image        image: sha256:m",
    ] {
        assert!(stdout.contains(words), "{words}: {stdout}");
    }
    assert!(!stdout.contains("hush"), "{stdout}");
    let (_, stdout, _) = run(&fake, &["job", "ls"]).await;
    assert!(String::from_utf8(stdout).unwrap().contains("build local/app"));
    let (_, stdout, _) = run(&fake, &["job", "wait", id]).await;
    assert_eq!(stdout, b"0\n");
}

/// Everything that a build writes to its terminal.
async fn screen(kind: &str) -> String {
    let fake = fake(good());
    let context = context();
    let (mut ours, theirs) = terminal();
    let mut command = kiln(&fake, &["build", "-t", "local/app"]);
    command.arg(context.path()).env("TERM", kind).stderr(theirs);
    let mut child = command.spawn().unwrap();
    drop(command);
    let reader = tokio::task::spawn_blocking(move || {
        let mut screen = Vec::new();
        // Ends with EIO once nobody has the other end open.
        let _ = ours.read_to_end(&mut screen);
        String::from_utf8_lossy(&screen).into_owned()
    });
    assert_eq!(ended(&mut child).await, 0);
    reader.await.unwrap()
}

#[tokio::test]
async fn a_terminal_has_a_window_unless_it_is_dumb() {
    let window = screen("xterm").await;
    assert!(window.contains("[+] Building") && window.contains("FINISHED"), "{window:?}");
    // The cursor is given back.
    assert!(window.rfind("\x1b[?25h") > window.rfind("\x1b[?25l"), "{window:?}");
    let plain = screen("dumb").await;
    assert!(plain.contains("#2 0.123 two\r\n#2 DONE 0.3s\r\n"), "{plain:?}");
}

/// On a terminal there is a window, which leaves the last state and no more.
#[tokio::test]
async fn tty_ends_with_all_steps() {
    let fake = fake(good());
    let (code, _, stderr) = build(&fake, &["--progress", "tty", "-t", "local/app"]).await;
    assert_eq!(code, 0);
    let last = stderr.rsplit("[+] Building").next().unwrap();
    assert!(last.contains("(2/2) FINISHED"), "{stderr:?}");
    assert!(last.contains("=> CACHED [1/2] FROM base") && last.contains("=> [2/2] RUN make"));
    assert!(!last.contains("# one"), "{stderr:?}");
}
