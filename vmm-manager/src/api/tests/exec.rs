//! A second command in the guest of a running job.

use kiln_proto::v1::{self, exec_in_job_request::Event as Request, exec_in_job_response::Event};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::{
    agent,
    service::{Service, next, spec},
};
use crate::job::Outcome;

struct Shell {
    requests: mpsc::Sender<v1::ExecInJobRequest>,
    answers: Streaming<v1::ExecInJobResponse>,
}

impl Shell {
    async fn open(service: &Service, id: &str, exec: v1::ExecSpec) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(8);
        let start = Request::Start(v1::ExecInJob { id: id.to_owned(), exec: Some(exec) });
        requests.send(v1::ExecInJobRequest { event: Some(start) }).await.unwrap();
        let answers = service.client().exec_in_job(ReceiverStream::new(receiver)).await?;
        Ok(Self { requests, answers: answers.into_inner() })
    }

    async fn send(&self, event: Request) {
        self.requests.send(v1::ExecInJobRequest { event: Some(event) }).await.unwrap();
    }

    /// All output, and what came last.
    async fn rest(&mut self) -> (String, Result<Event, Status>) {
        let mut text = String::new();
        loop {
            match next(&mut self.answers).await.unwrap().map(|answer| answer.event.unwrap()) {
                Ok(Event::Stdout(data) | Event::Stderr(data)) => {
                    text.push_str(std::str::from_utf8(&data).unwrap());
                }
                last => return (text, last),
            }
        }
    }
}

fn command(argv: &[&str]) -> v1::ExecSpec {
    let argv = argv.iter().map(|&argument| argument.to_owned()).collect();
    let env = vec![v1::EnvironmentVariable { name: "PATH".to_owned(), value: "/".to_owned() }];
    let terminal = Some(v1::TerminalSize { rows: 24, columns: 80 });
    v1::ExecSpec { argv, env, stdin: true, terminal, ..v1::ExecSpec::default() }
}

#[tokio::test]
async fn it_runs_without_id_and_limits_and_is_fed_resized_and_signalled() {
    let service = Service::start().await;
    let (job, running) = service.run(spec()).await;
    let (guest, _killed) = agent::guest().await;
    running.job.set_guest(Some(guest));
    let mut shell = Shell::open(&service, &job.id, command(&["sh", "-i"])).await.unwrap();
    shell.send(Request::Stdin("ls;".into())).await;
    shell.send(Request::StdinClosed(v1::StdinClosed {})).await;
    let (text, last) = shell.rest().await;
    assert!(text.starts_with("sh -i [EnvironmentVariable { name: \"PATH\", value: \"/\" }]"));
    assert!(text.ends_with("id \"\" limits (0, 0);ls;"), "{text}");
    assert_eq!(last.unwrap(), Event::Exit(v1::ExitStatus { code: 3, signal: 0 }));
    assert!(next(&mut shell.answers).await.is_none());

    let mut shell = Shell::open(&service, &job.id, command(&["top"])).await.unwrap();
    shell.send(Request::Resize(v1::TerminalSize { rows: 9, columns: 8 })).await;
    shell.send(Request::Signal(15)).await;
    let mut text = String::new();
    while !(text.contains("9 by 8;") && text.contains("signal 15;")) {
        let answer = next(&mut shell.answers).await.unwrap().unwrap();
        let Event::Stdout(data) = answer.event.unwrap() else { panic!("after {text}") };
        text.push_str(std::str::from_utf8(&data).unwrap());
    }
    shell.send(Request::Signal(65)).await;
    let (_, last) = shell.rest().await;
    assert!(last.unwrap_err().message().starts_with("signal: 65 is no signal"));

    let mut shell = Shell::open(&service, &job.id, command(&["missing"])).await.unwrap();
    let Event::Failure(failure) = shell.rest().await.1.unwrap() else { panic!() };
    assert_eq!(
        (failure.message.as_str(), &*failure.details["reason"]),
        ("missing is nowhere", "not_found")
    );
}

#[tokio::test]
async fn it_dies_with_its_client() {
    let service = Service::start().await;
    let (job, running) = service.run(spec()).await;
    let (guest, killed) = agent::guest().await;
    running.job.set_guest(Some(guest));
    let mut shell = Shell::open(&service, &job.id, command(&["sleep"])).await.unwrap();
    assert!(next(&mut shell.answers).await.unwrap().is_ok());
    drop(shell);
    tokio::time::timeout(super::service::PATIENCE, killed.cancelled()).await.unwrap();
}

#[tokio::test]
async fn without_a_running_guest_it_says_why() {
    let service = Service::start().await;
    let check = async |id: &str, words: &str| {
        let refused = Shell::open(&service, id, command(&["sh"])).await.err().unwrap();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().ends_with(words), "{refused}");
    };
    let (job, running) = service.run(spec()).await;
    let queued = service.create(spec()).await.unwrap();
    check(&queued.id, "it waits in the queue").await;
    check(&job.id, "its VM is not up yet").await;
    running.end(Outcome::Completed).await;
    check(&job.id, "it has ended").await;
}

#[tokio::test]
async fn a_guest_that_goes_under_it_is_told() {
    let service = Service::start().await;
    let (job, running) = service.run(spec()).await;
    let (guest, _killed) = agent::guest().await;
    running.job.set_guest(Some(guest));
    let mut shell = Shell::open(&service, &job.id, command(&["sleep"])).await.unwrap();
    assert!(next(&mut shell.answers).await.unwrap().is_ok());
    running.job.set_guest(None);
    running.end(Outcome::Completed).await;
    shell.send(Request::Signal(1)).await;
    assert!(next(&mut shell.answers).await.unwrap().is_ok(), "its own command goes on");
}
