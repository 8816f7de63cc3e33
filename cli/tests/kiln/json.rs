//! `--json`: stdout is for machines alone.

use serde_json::Value;

use crate::{
    command::{finish, kiln, run},
    fake::{Fake, Plan, Step, completed, exited, job},
};
use kiln_proto::v1;

fn one_line(stdout: &[u8]) -> Value {
    let text = std::str::from_utf8(stdout).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn run_prints_the_ended_job_and_nothing_else() {
    let steps = vec![Step::Stdout("out\n".into()), Step::Stderr("err\n".into())];
    let fake = Fake::running(steps, exited::<7>);
    let (code, stdout, stderr) = run(&fake, &["run", "--json", "cmd"]).await;
    assert_eq!((code, stderr.as_str()), (7, "out\nerr\n"));
    let record = one_line(&stdout);
    assert_eq!(record["state"], "failed");
    assert_eq!(record["exit_code"], 7);
    assert_eq!(record["exit"]["code"], 7);
    assert_eq!(record["failure"]["class"], "user");
    assert_eq!(record["log"]["end_offset"], 8);
    assert_eq!(record["spec"]["exec"]["argv"][0], "cmd");
    assert_eq!(record["phases"][0]["name"], "boot");
}

#[tokio::test]
async fn detach_prints_the_accepted_job() {
    let fake = Fake::running(Vec::new(), completed);
    let (code, stdout, _) = run(&fake, &["run", "--json", "-d", "cmd"]).await;
    assert_eq!(code, 0);
    let record = one_line(&stdout);
    assert_eq!(record["state"], "queued");
    assert_eq!(record["exit_code"], Value::Null);
}

#[tokio::test]
async fn without_a_job_stdout_stays_empty() {
    let refuse_create = Some(tonic::Status::invalid_argument("no"));
    let fake = Fake::start(Plan { refuse_create, ..Plan::default() });
    let (code, stdout, stderr) = run(&fake, &["run", "--json", "cmd"]).await;
    assert_eq!((code, stdout.len(), stderr.as_str()), (125, 0, "kiln: no\n"));
}

#[tokio::test]
async fn every_job_command_has_it() {
    let mut done = job("01jd0000000000000000000001", v1::JobState::Queued, &["true"]);
    completed(&mut done);
    let fake = Fake::with_jobs(vec![done]);
    for arguments in [&["ls"][..], &["get", "01jd"], &["wait", "01jd"], &["cancel", "01jd"]] {
        let mut command = kiln(&fake, &["job"]);
        command.args(arguments).arg("--json");
        let (code, stdout, stderr) = finish(command.spawn().unwrap()).await;
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        assert_eq!(one_line(&stdout)["state"], "completed", "{arguments:?}");
    }
}
