//! A kilnd that is not there, refuses, or goes away.

use tokio::io::AsyncReadExt;

use crate::{
    command::{bare, finish, kiln, run},
    fake::{Fake, Plan, Step, completed, exited},
};

async fn check(plan: Plan, code: i32, parts: &[&str]) {
    let fake = Fake::start(plan);
    let (actual, _, stderr) = run(&fake, &["run", "cmd"]).await;
    assert_eq!(actual, code, "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}

#[tokio::test]
async fn no_daemon_is_told_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let left = directory.path().join("left.sock");
    drop(std::os::unix::net::UnixListener::bind(&left).unwrap());
    for (socket, words) in [
        (directory.path().join("none.sock"), "is kilnd running?"),
        (left, "nobody listens"),
        (std::path::PathBuf::from("/etc/passwd"), "is not a socket"),
    ] {
        for arguments in [&["run", "true"][..], &["run", "-d", "true"], &["job", "ls"]] {
            let child = bare().arg("--socket").arg(&socket).args(arguments).spawn().unwrap();
            let (code, stdout, stderr) = finish(child).await;
            assert_eq!((code, stdout.len()), (125, 0), "{stderr}");
            assert!(stderr.contains(words), "{stderr}");
            assert!(stderr.contains(socket.to_str().unwrap()), "{stderr}");
        }
    }
}

#[tokio::test]
async fn a_listener_that_hangs_up_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("odd.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let child = bare()
        .args(["--reconnect", "1s", "--socket"])
        .arg(&socket)
        .args(["run", "true"])
        .spawn()
        .unwrap();
    let (code, _, stderr) = finish(child).await;
    assert_eq!(code, 125, "{stderr}");
    assert!(stderr.contains(socket.to_str().unwrap()), "{stderr}");
}

#[tokio::test]
async fn a_refusal_is_kilnds_words() {
    let refuse_create = Some(tonic::Status::invalid_argument("spec.cpus: 99, this host has 2"));
    let plan = Plan { refuse_create, ..Plan::default() };
    check(plan, 125, &["kiln: spec.cpus: 99, this host has 2\n"]).await;
}

#[tokio::test]
async fn a_daemon_that_vanishes_is_told() {
    let steps = vec![Step::Stdout("half".into()), Step::UntilCancelled];
    let fake = Fake::running(steps, completed);
    let mut child = kiln(&fake, &["--reconnect", "1s", "run", "cmd"]).spawn().unwrap();
    let mut stdout = [0; 4];
    child.stdout.as_mut().unwrap().read_exact(&mut stdout).await.unwrap();
    fake.state.vanish();
    let (code, rest, stderr) = finish(child).await;
    assert_eq!((&stdout, rest.len()), (b"half", 0));
    assert_eq!(code, 125, "{stderr}");
    assert_eq!(stderr.matches("; reconnecting").count(), 1, "{stderr}");
    assert!(stderr.contains("lost kilnd at "), "{stderr}");
    assert!(stderr.contains("`kiln job get 01jd"), "{stderr}");
}

#[tokio::test]
async fn a_broken_attachment_is_mended_by_the_record_when_nothing_is_missing() {
    let steps = vec![Step::Stdout("all".into()), Step::Break];
    check(Plan { steps, end: exited::<7>, ..Plan::default() }, 7, &[]).await;
    let steps = vec![Step::Stdout("all".into()), Step::Hush];
    check(Plan { steps, end: exited::<7>, ..Plan::default() }, 7, &[]).await;
}

#[tokio::test]
async fn a_broken_attachment_never_passes_for_complete() {
    let steps = vec![Step::Stdout("part".into()), Step::Break];
    let end = |job: &mut kiln_proto::v1::Job| {
        completed(job);
        job.log.get_or_insert_default().end_offset = 4096;
    };
    let parts = ["the fake broke it", "has ended (completed)", "(4 B of 4 KiB)"];
    check(Plan { steps, end, ..Plan::default() }, 125, &parts).await;
}

#[tokio::test]
async fn a_job_that_outlives_its_attachment_is_pointed_at() {
    let steps = vec![Step::Stdout("part".into()), Step::BreakAndGoOn];
    let parts = ["the fake broke it", "goes on: `kiln job logs --follow --offset 4 01jd"];
    check(Plan { steps, ..Plan::default() }, 125, &parts).await;
}

#[tokio::test]
async fn a_job_that_cannot_be_attached_to_is_cancelled() {
    let refuse_attach = Some(tonic::Status::internal("no room"));
    let fake = Fake::start(Plan { refuse_attach, ..Plan::default() });
    let (code, _, stderr) = run(&fake, &["run", "cmd"]).await;
    assert_eq!(code, 125);
    assert!(stderr.contains("could not attach to job 01jd"), "{stderr}");
    assert!(stderr.contains("no room"), "{stderr}");
    assert_eq!(fake.state.cancelled.lock().unwrap().len(), 1);
}
