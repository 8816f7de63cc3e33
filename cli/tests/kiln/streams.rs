//! What the command writes arrives, and what was asked for is asked of kilnd.

use crate::{
    command::run,
    fake::{Fake, Step, completed, exited, pattern},
};

#[tokio::test]
async fn both_streams_arrive_intact() {
    let mut steps = Vec::new();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    for round in 0..16 {
        let (out, err) = (pattern(round, 300_001), pattern(round + 100, 200_003));
        stdout.extend_from_slice(&out);
        stderr.extend_from_slice(&err);
        steps.extend([Step::Stdout(out), Step::Stderr(err)]);
    }
    let fake = Fake::running(steps, exited::<7>);
    let child = crate::command::kiln(&fake, &["run", "--", "noise"]).spawn().unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert!(output.stdout == stdout, "stdout differs");
    assert!(output.stderr == stderr, "stderr differs");
}

#[tokio::test]
async fn many_small_chunks_arrive_in_order() {
    let lines: Vec<_> = (0..5000).map(|number| format!("{number}")).collect();
    let steps = lines.iter().map(|line| Step::Stdout(line.clone().into())).collect();
    let fake = Fake::running(steps, completed);
    let (code, stdout, stderr) = run(&fake, &["run", "count"]).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(String::from_utf8(stdout).unwrap(), lines.concat());
}

#[tokio::test]
async fn what_was_typed_is_what_is_asked() {
    let fake = Fake::running(Vec::new(), completed);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file.env");
    std::fs::write(&file, "FILE=1\nBOTH=file\n").unwrap();
    let value = "\"quotes\" 'q' $HOME `id` \\ two\nlines";
    let mut command = crate::command::kiln(
        &fake,
        &["run", "--cpus", "2", "--memory", "256M", "--disk=1g", "--timeout", "1m30s", "-e"],
    );
    command.arg(format!("ODD={value}"));
    command.args(["-e", "OWN", "-e", "NOT_THERE", "-e", "BOTH=option", "--env-file"]);
    command.arg(&file).args(["-u", "nobody:nogroup", "-w", "/tmp", "--project", "p"]);
    command.args(["--", "sh", "-c", "exit 0", "--", "-i"]).env("OWN", "mine");
    let (code, _, stderr) = crate::command::finish(command.spawn().unwrap()).await;
    assert_eq!((code, stderr.as_str()), (0, ""));

    let spec = fake.spec();
    assert_eq!((spec.cpus, spec.memory_bytes, spec.disk_bytes), (2, 256 << 20, 1 << 30));
    assert_eq!(spec.timeout.map(|timeout| timeout.seconds), Some(90));
    assert!(spec.attach);
    assert_eq!(fake.state.created.lock().unwrap()[0].project, "p");
    let exec = fake.exec();
    assert_eq!(exec.argv, ["sh", "-c", "exit 0", "--", "-i"]);
    assert_eq!((exec.user.as_str(), exec.workdir.as_str()), ("nobody:nogroup", "/tmp"));
    assert!(!exec.stdin);
    let env: Vec<_> = exec.env.iter().map(|v| (v.name.as_str(), v.value.as_str())).collect();
    assert_eq!(env, [("BOTH", "option"), ("FILE", "1"), ("ODD", value), ("OWN", "mine")]);
}

#[tokio::test]
async fn detach_prints_the_id_and_leaves() {
    let fake = Fake::running(vec![Step::UntilCancelled], completed);
    let (code, stdout, stderr) = run(&fake, &["run", "--detach", "sleep", "600"]).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(String::from_utf8(stdout).unwrap(), "01jd0000000000000000000000\n");
    assert!(!fake.spec().attach);
}
