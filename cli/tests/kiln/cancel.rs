//! Ctrl-C and its kin, sent to the real process.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::{
    command::{ended, finish, kiln, signal},
    fake::{Fake, Plan, Step, completed, pattern},
};

fn waiting() -> Plan {
    let steps = vec![Step::Stdout("ready".into()), Step::UntilCancelled];
    Plan { steps, ..Plan::default() }
}

#[tokio::test]
async fn the_first_signal_cancels_and_waits() {
    for kind in [Signal::INT, Signal::TERM, Signal::QUIT, Signal::HUP] {
        let fake = Fake::start(waiting());
        let child = kiln(&fake, &["run", "sleep", "600"]).spawn().unwrap();
        fake.sent_at_least(5).await;
        signal(&child, kind);
        let (code, stdout, stderr) = finish(child).await;
        assert_eq!((code, stdout.as_slice()), (130, &b"ready"[..]), "{stderr}");
        assert!(stderr.starts_with("kiln: cancelling job 01jd"), "{stderr}");
        assert!(stderr.ends_with("kiln: cancelled\n"), "{stderr}");
        assert_eq!(fake.state.cancelled.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn the_second_signal_leaves_at_once() {
    let fake = Fake::start(Plan { is_deaf: true, ..waiting() });
    let child = kiln(&fake, &["run", "sleep", "600"]).spawn().unwrap();
    fake.sent_at_least(5).await;
    signal(&child, Signal::INT);
    while fake.state.cancelled.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let second = Instant::now();
    signal(&child, Signal::INT);
    let (code, _, stderr) = finish(child).await;
    assert_eq!(code, 130, "{stderr}");
    assert!(second.elapsed() < Duration::from_secs(5));
    assert!(stderr.contains("left job 01jd"), "{stderr}");
}

#[tokio::test]
async fn a_job_that_is_being_created_is_cancelled_too() {
    let fake = Fake::start(Plan { create_delay: Duration::from_secs(1), ..waiting() });
    let child = kiln(&fake, &["run", "sleep", "600"]).spawn().unwrap();
    fake.state.creating.subscribe().wait_for(|creating| *creating).await.unwrap();
    signal(&child, Signal::INT);
    let (code, _, stderr) = finish(child).await;
    assert_eq!(code, 130, "{stderr}");
    assert!(stderr.ends_with("kiln: cancelled\n"), "{stderr}");
    assert_eq!(fake.state.cancelled.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_job_that_ended_all_the_same_keeps_its_code() {
    let steps = vec![Step::Stdout("ready".into()), Step::Sleep(Duration::from_secs(1))];
    let fake = Fake::start(Plan { steps, is_deaf: true, ..Plan::default() });
    let child = kiln(&fake, &["run", "-q", "true"]).spawn().unwrap();
    fake.sent_at_least(5).await;
    signal(&child, Signal::INT);
    let (code, _, stderr) = finish(child).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
}

#[tokio::test]
async fn a_stuck_reader_does_not_keep_a_job_from_being_cancelled() {
    let fake = Fake::running(vec![Step::Stdout(pattern(1, 32 << 20))], completed);
    let (_reader, writer) = std::io::pipe().unwrap();
    let mut command = kiln(&fake, &["run", "flood"]);
    // One pipe for both, and nobody reads: Kiln's own words have no room either.
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    fake.sent_at_least(1).await;
    fake.sent_at_rest().await;
    signal(&child, Signal::TERM);
    assert_eq!(ended(&mut child).await, 130);
    assert_eq!(fake.state.cancelled.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_cancel_that_is_refused_is_kilns_failure() {
    let refuse_cancel = Some(tonic::Status::internal("the store is broken"));
    let fake = Fake::start(Plan { refuse_cancel, ..waiting() });
    let child = kiln(&fake, &["run", "sleep", "600"]).spawn().unwrap();
    fake.sent_at_least(5).await;
    signal(&child, Signal::INT);
    let (code, _, stderr) = finish(child).await;
    assert_eq!(code, 125, "{stderr}");
    assert!(stderr.contains("could not cancel job 01jd"), "{stderr}");
    assert!(stderr.contains("the store is broken"), "{stderr}");
}

#[tokio::test]
async fn nohup_is_respected() {
    let steps = vec![Step::Stdout("ready".into()), Step::Sleep(Duration::from_secs(1))];
    let fake = Fake::running(steps, completed);
    let mut command = tokio::process::Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$0\" run true", env!("CARGO_BIN_EXE_kiln")])
        .env("KILN_SOCKET", &fake.socket)
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    fake.sent_at_least(5).await;
    signal(&child, Signal::HUP);
    assert_eq!(ended(&mut child).await, 0);
    assert!(fake.state.cancelled.lock().unwrap().is_empty());
}
