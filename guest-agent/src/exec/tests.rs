//! The engine with real processes of this machine. They need root, as setting groups does; without
//! it there is nothing here that could be tested.

mod ending;
mod refused;
mod session;
mod streams;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kiln_proto::agent::v1::{
    EnvironmentVariable, ExecExited, ExecRequest, ExecResponse, ExecStart,
    exec_exited::Status as WireStatus, exec_request, exec_response::Event,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use self::session::Sessions;
use super::*;
use crate::reaper::tests::REAPER;

/// No test's command takes as long by itself.
const LIMIT: Duration = Duration::from_secs(20);

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn engine(groups: impl Groups + 'static) -> Engine {
    let look = Box::new(|| rustix::fs::statfs("/proc"));
    Engine {
        reaper: Arc::clone(&REAPER),
        groups: Arc::new(groups),
        disk_watch: DiskWatch::start(look).unwrap(),
    }
}

fn shell(script: &str) -> ExecStart {
    command(&["sh", "-c", script])
}

fn command(argv: &[&str]) -> ExecStart {
    let path = EnvironmentVariable { name: "PATH".into(), value: "/usr/bin:/bin".into() };
    ExecStart {
        argv: argv.iter().map(|argument| (*argument).to_owned()).collect(),
        env: vec![path],
        ..Default::default()
    }
}

/// A running command as the host has it.
struct Host {
    requests: Option<mpsc::Sender<Result<ExecRequest, Status>>>,
    answers: mpsc::Receiver<Answer>,
    began: Instant,
}

/// All that the host was told.
#[derive(Debug, Default)]
struct Told {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    end: Option<Answer>,
}

impl Host {
    fn start(start: ExecStart) -> Self {
        Self::start_on(engine(Sessions::default()), start)
    }

    fn start_on(engine: Engine, start: ExecStart) -> Self {
        let (requests, incoming) = mpsc::channel(1);
        let (answers, told) = Answers::channel();
        tokio::spawn(engine.run(start, ReceiverStream::new(incoming), answers));
        Self { requests: Some(requests), answers: told, began: Instant::now() }
    }

    async fn send(&self, event: exec_request::Event) {
        let request = Ok(ExecRequest { event: Some(event) });
        // A command that has ended takes nothing more.
        let _ = self.requests.as_ref().unwrap().send(request).await;
    }

    async fn next(&mut self) -> Option<Event> {
        let answer = tokio::time::timeout(LIMIT, self.answers.recv()).await.expect("an answer");
        answer.and_then(|answer| answer.unwrap().event)
    }

    async fn finish(mut self) -> Told {
        let mut told = Told::default();
        while let Some(answer) =
            tokio::time::timeout(LIMIT, self.answers.recv()).await.expect("an answer")
        {
            match answer {
                Ok(ExecResponse { event: Some(Event::Stdout(data)) }) => {
                    told.stdout.extend_from_slice(&data);
                }
                Ok(ExecResponse { event: Some(Event::Stderr(data)) }) => {
                    told.stderr.extend_from_slice(&data);
                }
                Ok(ExecResponse { event: Some(Event::Started(_)) }) => {}
                end => assert!(told.end.replace(end).is_none(), "one end"),
            }
        }
        assert!(self.began.elapsed() < LIMIT);
        told
    }
}

impl Told {
    fn exited(&self) -> &ExecExited {
        match self.end.as_ref().unwrap().as_ref().unwrap().event.as_ref().unwrap() {
            Event::Exited(exited) => exited,
            other => panic!("{other:?} instead of an exit"),
        }
    }

    fn code(&self) -> i32 {
        match self.exited().status {
            Some(WireStatus::Code(code)) => code,
            status => panic!("{status:?} instead of a code"),
        }
    }

    fn signal(&self) -> i32 {
        match self.exited().status {
            Some(WireStatus::Signal(signal)) => signal,
            status => panic!("{status:?} instead of a signal"),
        }
    }

    fn stdout(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}
