//! The engine with real processes of this machine. They need root, as setting groups does; without
//! it there is nothing here that could be tested.

mod ending;
mod refused;
mod resume;
mod streams;
mod terminal;
mod together;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kiln_proto::agent::{
    MAX_CHUNK_BYTES,
    v1::{
        EnvironmentVariable, ExecExited, ExecRequest, ExecResponse, ExecStart, OutputChunk,
        OutputTaken, exec_exited::Status as WireStatus, exec_request, exec_response::Event,
    },
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::*;
use crate::{reaper::tests::REAPER, session::Sessions};

/// No test's command takes as long by itself.
const LIMIT: Duration = Duration::from_secs(20);

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn engine(groups: impl Groups + 'static) -> Engine {
    let look = Box::new(|| rustix::fs::statfs("/proc"));
    Engine::new(Arc::clone(&REAPER), Arc::new(groups), DiskWatch::start(look).unwrap())
}

/// For tests of other modules: in this process nobody but the reaper may wait for a child.
pub(crate) async fn run_script(script: &str) {
    let told = Host::start(shell(script)).finish().await;
    assert_eq!(told.code(), 0, "{script}: {}", String::from_utf8_lossy(&told.stderr));
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
    is_named: bool,
}

/// All that the host was told.
#[derive(Debug, Default)]
struct Told {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Where its output began and ended.
    offsets: Option<(u64, u64)>,
    stdin_taken: u64,
    end: Option<Answer>,
}

impl Host {
    fn start(start: ExecStart) -> Self {
        Self::start_on(&engine(Sessions::new().unwrap()), start)
    }

    fn start_on(engine: &Engine, start: ExecStart) -> Self {
        let is_named = !start.id.is_empty();
        let (requests, incoming) = mpsc::channel(1);
        let (answers, told) = Answers::channel();
        let engine = engine.clone();
        tokio::spawn(async move {
            engine.attend(Start::Command(start), ReceiverStream::new(incoming), answers).await;
        });
        Self { requests: Some(requests), answers: told, began: Instant::now(), is_named }
    }

    async fn send(&self, event: exec_request::Event) {
        let request = Ok(ExecRequest { event: Some(event) });
        // A command that has ended takes nothing more.
        let _ = self.requests.as_ref().unwrap().send(request).await;
    }

    async fn take(&self, offset: u64) {
        if self.is_named {
            self.send(exec_request::Event::Taken(OutputTaken { offset })).await;
        }
    }

    async fn next(&mut self) -> Option<Event> {
        let answer = tokio::time::timeout(LIMIT, self.answers.recv()).await.expect("an answer");
        answer.and_then(|answer| answer.unwrap().event)
    }

    /// Everything to the end; a command with an id is told that it was taken.
    async fn finish(mut self) -> Told {
        let mut told = Told::default();
        while let Some(answer) =
            tokio::time::timeout(LIMIT, self.answers.recv()).await.expect("an answer")
        {
            match answer {
                Ok(ExecResponse { event: Some(Event::Stdout(chunk)) }) => {
                    told.stdout.extend_from_slice(&chunk.data);
                    let offset = told.follow(&chunk);
                    self.take(offset).await;
                }
                Ok(ExecResponse { event: Some(Event::Stderr(chunk)) }) => {
                    told.stderr.extend_from_slice(&chunk.data);
                    let offset = told.follow(&chunk);
                    self.take(offset).await;
                }
                Ok(ExecResponse { event: Some(Event::Started(_)) }) => {}
                Ok(ExecResponse { event: Some(Event::StdinTaken(taken)) }) => {
                    assert!(taken.offset > told.stdin_taken);
                    told.stdin_taken = taken.offset;
                }
                end => assert!(told.end.replace(end).is_none(), "one end"),
            }
        }
        assert!(self.began.elapsed() < LIMIT);
        told
    }
}

impl Told {
    /// Returns where it is.
    fn follow(&mut self, chunk: &OutputChunk) -> u64 {
        assert!((1..=MAX_CHUNK_BYTES).contains(&chunk.data.len()), "{}", chunk.data.len());
        let (began, ended) = self.offsets.unwrap_or((chunk.offset, chunk.offset));
        assert_eq!(chunk.offset, ended, "no hole");
        let ended = ended + chunk.data.len() as u64;
        self.offsets = Some((began, ended));
        ended
    }

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
