//! A kilnd that dies and comes back, at awkward moments: nothing is lost, doubled or half.

use std::{process::Stdio, time::Duration};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    command::{LIMIT, finish, kiln, run},
    fake::{Death, Fake, Plan, Step, completed, exited, pattern},
};

const AWAY: Duration = Duration::from_millis(300);

fn once(stderr: &str) {
    assert_eq!(stderr.matches("; reconnecting").count(), 1, "{stderr}");
}

#[tokio::test]
async fn a_job_is_made_once_however_often_it_is_asked_for() {
    for death in [Death::BeforeCreate(AWAY), Death::InCreate(AWAY)] {
        let steps = vec![Step::Stdout("out".into())];
        let deaths = vec![death];
        let fake = Fake::start(Plan { steps, deaths, end: exited::<7>, ..Plan::default() });
        let (code, stdout, stderr) = run(&fake, &["run", "cmd"]).await;
        assert_eq!((code, stdout.as_slice()), (7, &b"out"[..]), "{stderr}");
        once(&stderr);
        let (_, jobs, _) = run(&fake, &["job", "ls", "--json"]).await;
        assert_eq!(String::from_utf8(jobs).unwrap().lines().count(), 1);
        let keys: Vec<_> = fake
            .state
            .created
            .lock()
            .unwrap()
            .iter()
            .map(|request| request.idempotency_key.clone())
            .collect();
        assert!(keys.iter().all(|key| key == &keys[0] && key.starts_with("kiln-")), "{keys:?}");
    }
}

#[tokio::test]
async fn a_key_of_ones_own_finds_the_same_job() {
    let fake = Fake::running(Vec::new(), completed);
    let detach = ["run", "-d", "--idempotency-key", "mine", "cmd"];
    let (_, first, _) = run(&fake, &detach).await;
    let (_, second, _) = run(&fake, &detach).await;
    assert_eq!(first, second);
    let (_, third, _) = run(&fake, &["run", "-d", "cmd"]).await;
    assert_ne!(first, third);
}

#[tokio::test]
async fn output_is_byte_for_byte_the_same() {
    let mut steps = Vec::new();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    for round in 0..6 {
        let (out, err) = (pattern(round, 300_001), pattern(round + 100, 70_003));
        stdout.extend_from_slice(&out);
        stderr.extend_from_slice(&err);
        steps.extend([Step::Stdout(out), Step::Restart(AWAY), Step::Stderr(err)]);
    }
    let fake = Fake::running(steps, exited::<7>);
    let child = kiln(&fake, &["run", "-q", "noise"]).spawn().unwrap();
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
    let output = output.expect("kiln did not end").unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert!(output.stdout == stdout, "stdout differs");
    assert!(output.stderr == stderr, "stderr differs");
    assert!(*fake.state.returns.borrow() >= 1, "nothing died");
}

#[tokio::test]
async fn stdin_in_flight_is_neither_lost_nor_doubled() {
    let steps = vec![Step::EchoThrough(700_000, AWAY)];
    let fake = Fake::running(steps, completed);
    let mut child = kiln(&fake, &["run", "-q", "-i", "cat"]).stdin(Stdio::piped()).spawn().unwrap();
    let sent = pattern(1, 3 << 20);
    let mut stdin = child.stdin.take().unwrap();
    let bytes = sent.clone();
    tokio::spawn(async move { stdin.write_all(&bytes).await });
    let (code, stdout, stderr) = finish(child).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(*fake.state.stdin.lock().unwrap() == sent, "stdin arrived different");
    assert!(stdout == sent, "stdin came back different");
    assert!(*fake.state.stdin_closed.borrow());
    assert!(*fake.state.returns.borrow() >= 3, "it died too seldom");
}

#[tokio::test]
async fn a_job_that_ended_meanwhile_is_told_in_full() {
    let steps = vec![Step::Stdout("a".into()), Step::Restart(AWAY), Step::Stdout("b".into())];
    let fake = Fake::running(steps, exited::<7>);
    let (code, stdout, stderr) = run(&fake, &["run", "cmd"]).await;
    assert_eq!((code, stdout.as_slice()), (7, &b"ab"[..]), "{stderr}");
    once(&stderr);
}

#[tokio::test]
async fn an_upload_is_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), pattern(1, 2 << 20)).unwrap();
    let deaths = vec![Death::InUpload(1 << 20, AWAY)];
    let fake = Fake::start(Plan { deaths, ..Plan::default() });
    let input = directory.path().to_str().unwrap();
    let (code, _, stderr) = run(&fake, &["run", "--input", input, "cmd"]).await;
    assert_eq!(code, 0, "{stderr}");
    once(&stderr);
    assert_eq!(*fake.state.uploads.lock().unwrap(), 2);
    assert_eq!(fake.state.sources.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn stdin_cannot_be_sent_twice_and_says_so() {
    let fake = Fake::start(Plan { deaths: vec![Death::InUpload(1, AWAY)], ..Plan::default() });
    let mut child =
        kiln(&fake, &["run", "--input", "-", "cmd"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    tokio::spawn(async move { stdin.write_all(&pattern(1, 1 << 20)).await });
    let (code, _, stderr) = finish(child).await;
    assert_eq!(code, 125, "{stderr}");
    assert!(
        stderr.contains("could not send stdin, and it cannot be read a second time"),
        "{stderr}"
    );
    assert!(fake.state.created.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = pattern(1, 2 << 20);
    let deaths = vec![Death::InDownload(1 << 20, AWAY), Death::InDownload(3 << 19, AWAY)];
    let fake = Fake::start(Plan { outputs: vec![bytes.clone()], deaths, ..Plan::default() });
    let file = directory.path().join("out.img");
    let output = format!("/out:{}", file.display());
    let (code, _, stderr) = run(&fake, &["run", "-q", "--output-raw", &output, "cmd"]).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(std::fs::read(file).unwrap() == bytes, "the output differs");
    assert_eq!(*fake.state.returns.borrow(), 2);
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
}

#[tokio::test]
async fn a_log_that_is_followed_goes_on_where_it_broke() {
    let text = pattern(1, 1 << 20);
    let steps = vec![Step::Stdout(text.clone())];
    let deaths = vec![Death::InLog(500_000, AWAY)];
    let fake = Fake::start(Plan { steps, deaths, ..Plan::default() });
    let (_, id, _) = run(&fake, &["run", "-d", "cmd"]).await;
    let id = String::from_utf8(id).unwrap();
    assert_eq!(run(&fake, &["job", "wait", id.trim()]).await.0, 0);
    let (code, stdout, stderr) = run(&fake, &["job", "logs", "-f", id.trim()]).await;
    assert_eq!(code, 0, "{stderr}");
    once(&stderr);
    assert!(stdout == text, "the log differs");
}

#[tokio::test]
async fn wait_waits_through_a_restart() {
    let fake = Fake::running(vec![Step::UntilCancelled], completed);
    let (_, id, _) = run(&fake, &["run", "-d", "sleep"]).await;
    let id = String::from_utf8(id).unwrap();
    let mut waiting = kiln(&fake, &["job", "wait", id.trim()]).spawn().unwrap();
    tokio::time::sleep(AWAY).await;
    fake.state.restart(AWAY);
    let mut said = [0; 4];
    waiting.stderr.as_mut().unwrap().read_exact(&mut said).await.unwrap();
    fake.state.returns.subscribe().wait_for(|&returns| returns == 1).await.unwrap();
    assert_eq!(run(&fake, &["job", "cancel", id.trim()]).await.0, 0);
    let (code, stdout, stderr) = finish(waiting).await;
    assert_eq!((code, stdout.as_slice()), (130, &b"130\n"[..]), "{stderr}");
}
