//! `kiln job …`.

use kiln_proto::v1::{self, JobState, read_log_response};

use crate::{
    command::run,
    fake::{Fake, Plan, Step, completed, exited, job},
};

fn several() -> Vec<v1::Job> {
    let mut jobs: Vec<_> = (0..5)
        .map(|number| {
            let id = format!("01jd00000000000000000{}{number:04}", number % 2);
            job(&id, JobState::Queued, &["echo", &format!("number {number}")])
        })
        .collect();
    completed(&mut jobs[0]);
    exited::<7>(&mut jobs[1]);
    "other".clone_into(&mut jobs[2].project);
    jobs
}

async fn job_command(fake: &Fake, arguments: &[&str]) -> (i32, String, String) {
    let arguments: Vec<_> = ["job"].iter().chain(arguments).copied().collect();
    let (code, stdout, stderr) = run(fake, &arguments).await;
    (code, String::from_utf8(stdout).unwrap(), stderr)
}

#[tokio::test]
async fn ls_shows_all_pages_newest_first() {
    let fake = Fake::with_jobs(several());
    let (code, stdout, stderr) = job_command(&fake, &["ls"]).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines.len(), 6, "{stdout}");
    assert!(lines[0].starts_with("ID "));
    assert!(lines[1].contains("completed") && lines[1].ends_with("echo 'number 0'"), "{stdout}");
    assert!(lines[2].contains("failed (exit 7)"), "{stdout}");
    assert!(lines[5].ends_with("echo 'number 4'"), "{stdout}");

    let (_, stdout, _) = job_command(&fake, &["ls", "--project", "other"]).await;
    assert_eq!(stdout.lines().count(), 2, "{stdout}");
    let (_, stdout, _) = job_command(&fake, &["ls", "--json"]).await;
    assert_eq!(stdout.lines().count(), 5, "{stdout}");
}

#[tokio::test]
async fn a_beginning_of_an_id_is_enough_while_it_is_the_only_one() {
    let mut jobs = several();
    jobs.push(job("01jc0000000000000000000000", JobState::Queued, &["earlier"]));
    let fake = Fake::with_jobs(jobs);
    for id in ["01jc", "01JC00", "01jc0000000000000000000000"] {
        let (code, stdout, stderr) = job_command(&fake, &["get", id]).await;
        assert_eq!((code, stderr.as_str()), (0, ""), "{id}");
        assert!(stdout.contains("Command      earlier"), "{stdout}");
    }
    for (id, words) in [
        ("01jd000000000000000001", "2 jobs have ids that begin with"),
        ("01jd000000000000000001", "01jd0000000000000000010003"),
        ("01j", "6 jobs have ids that begin with"),
        ("02", "no job's id begins with"),
        ("", "an id is letters and digits"),
        ("../../etc", "an id is letters and digits"),
        ("01jd00000000000000000000000", "an id is letters and digits"),
        ("01jd9999999999999999999999", "there is no job"),
    ] {
        let (code, stdout, stderr) = job_command(&fake, &["get", id]).await;
        assert_eq!((code, stdout.as_str()), (125, ""), "{id}");
        assert!(stderr.contains(words), "{id}: {stderr}");
    }
}

#[tokio::test]
async fn wait_exits_as_the_jobs_did() {
    let fake = Fake::with_jobs(several());
    let (zero, seven) = ("01jd0000000000000000000000", "01jd0000000000000000010001");
    assert_eq!(job_command(&fake, &["wait", zero]).await, (0, "0\n".into(), String::new()));
    assert_eq!(job_command(&fake, &["wait", seven]).await, (7, "7\n".into(), String::new()));
    let (code, stdout, stderr) = job_command(&fake, &["wait", zero, "99", seven]).await;
    assert_eq!((code, stdout.as_str()), (125, "0\n7\n"));
    assert!(stderr.starts_with("kiln: 99: no job's id"), "{stderr}");
}

#[tokio::test]
async fn wait_waits() {
    let fake = Fake::running(vec![Step::UntilCancelled], completed);
    let (_, id, _) = run(&fake, &["run", "-d", "sleep"]).await;
    let id = String::from_utf8(id).unwrap();
    let waiting = crate::command::kiln(&fake, &["job", "wait", id.trim()]).spawn().unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(job_command(&fake, &["cancel", id.trim()]).await, (0, id, String::new()));
    let (code, stdout, stderr) = crate::command::finish(waiting).await;
    assert_eq!((code, stdout.as_slice()), (130, &b"130\n"[..]));
    assert!(stderr.ends_with(": cancelled\n"), "{stderr}");
}

#[tokio::test]
async fn cancel_goes_on_past_those_that_are_not_there() {
    let fake = Fake::with_jobs(several());
    let (done, queued) = ("01jd0000000000000000000000", "01jd0000000000000000010003");
    let (code, stdout, stderr) = job_command(&fake, &["cancel", "99", done, queued]).await;
    assert_eq!((code, stdout), (125, format!("{done}\n{queued}\n")));
    assert!(stderr.contains("99: no job's id"), "{stderr}");
    assert!(stderr.contains("had ended already (completed)"), "{stderr}");
    assert_eq!(*fake.state.cancelled.lock().unwrap(), [done, queued]);
}

fn chunk(offset: u64, stream: v1::Stream, data: &'static [u8]) -> v1::ReadLogResponse {
    let time = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
    let chunk = v1::LogChunk { offset, time, stream: stream.into(), data: data.into() };
    v1::ReadLogResponse { event: Some(read_log_response::Event::Chunk(chunk)) }
}

#[tokio::test]
async fn logs_go_where_they_were_written() {
    let gap = v1::LogGap { offset: 8, dropped_bytes: 2048 };
    let log = vec![
        chunk(0, v1::Stream::Stdout, b"one\n"),
        chunk(4, v1::Stream::Stderr, b"two\n"),
        v1::ReadLogResponse { event: Some(read_log_response::Event::Gap(gap)) },
        chunk(2056, v1::Stream::Stdout, b"\xff\n"),
    ];
    let jobs = several();
    let fake = Fake::start(Plan { jobs, log, ..Plan::default() });
    let id = "01jd0000000000000000000000";
    let (code, stdout, stderr) = run(&fake, &["job", "logs", id]).await;
    assert_eq!((code, stdout.as_slice()), (0, &b"one\n\xff\n"[..]));
    assert!(stderr.contains("two\n"), "{stderr}");
    assert!(stderr.contains("kiln: here 2 KiB of the log are missing"), "{stderr}");

    let (_, stdout, _) = run(&fake, &["job", "logs", "-t", "-f", "--offset", "5", id]).await;
    assert!(stdout.starts_with(b"1970-01-01T00:00:01.000000Z one\n"));
    let asked = fake.state.log_requests.lock().unwrap()[1].clone();
    assert_eq!((asked.offset, asked.follow, asked.id.as_str()), (5, true, id));

    let (_, stdout, stderr) = run(&fake, &["job", "logs", "--json", id]).await;
    let stdout = String::from_utf8(stdout).unwrap();
    assert_eq!(stderr, "");
    let lines: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["data"], "one\n");
    assert_eq!(lines[1]["stream"], "stderr");
    assert_eq!(lines[2]["dropped_bytes"], 2048);
    assert_eq!(lines[3]["data_base64"], "/wo=");
}
