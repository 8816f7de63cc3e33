use std::{
    os::unix::net::UnixStream,
    sync::{Mutex, PoisonError},
};

use kiln_proto::agent::v1::{
    BootUp, ExecRequest, ExecResponse, ExecStarted, OutputChunk, Signal,
    exec_request::Event as Request, exec_response::Event,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{
    super::{answers::Answers, start::Start, stream},
    *,
};
use crate::power::Power;

/// A machine that remembers what it was sent.
#[derive(Debug, Default)]
struct Fake(Mutex<Vec<i32>>);

impl Alive for Fake {
    fn pid(&self) -> u32 {
        1
    }

    fn signal(&self, number: i32) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        Ok(())
    }

    fn kill(&self) -> io::Result<()> {
        self.signal(libc::SIGKILL)
    }

    fn resize(&self, _size: TerminalSize) -> io::Result<()> {
        unreachable!("it has no terminal of the host's")
    }
}

fn start(id: &str) -> Result<Start, super::super::start::NoId> {
    let (socket, _far) = UnixStream::pair().unwrap();
    let scratch = std::fs::File::open("/").unwrap().into();
    let machine = Arc::new(Machine::new(socket, scratch, Power::default()));
    Start::boot(BootStart { id: id.to_owned(), ..BootStart::default() }, machine)
}

/// A host's stream: what it says, and what it hears.
struct Stream {
    requests: mpsc::Sender<Result<ExecRequest, Status>>,
    answers: mpsc::Receiver<Result<ExecResponse, Status>>,
}

impl Stream {
    fn open(run: &Arc<Run>, offset: u64) -> Self {
        let (requests, asked) = mpsc::channel(4);
        let (answers, heard) = Answers::channel();
        let (run, seat) = (Arc::clone(run), run.sit(offset).unwrap());
        tokio::spawn(async move {
            stream::attend(&run, seat, ReceiverStream::new(asked), answers).await;
        });
        Self { requests, answers: heard }
    }

    async fn next(&mut self) -> Event {
        self.answers.recv().await.unwrap().unwrap().event.unwrap()
    }
}

fn output(offset: u64, data: &'static str) -> Event {
    Event::Stdout(OutputChunk { offset, data: data.as_bytes().into() })
}

#[tokio::test]
async fn each_stream_is_told_once_that_it_is_up() {
    let run = Arc::new(Run::new(&start("boot").unwrap()));
    let started = || Event::Started(ExecStarted { pid: 1, stdin_offset: 0, stdin_closed: false });
    let up = BootUp { degraded: true, by: "systemd".to_owned() };
    run.begin(Arc::new(Fake::default()));
    let mut first = Stream::open(&run, 0);
    assert_eq!(first.next().await, started());
    run.push(Output::Stdout, b"one");
    assert_eq!(first.next().await, output(0, "one"));
    run.is_up(up.clone());
    assert_eq!(first.next().await, Event::Up(up.clone()));
    run.push(Output::Stdout, b"two");
    assert_eq!(first.next().await, output(3, "two"));
    let mut second = Stream::open(&run, 3);
    assert_eq!(second.next().await, started());
    assert_eq!(second.next().await, Event::Up(up));
    assert_eq!(second.next().await, output(3, "two"));
    let exited = ExecExited { duration_nanos: 7, ..ExecExited::default() };
    run.end(End::Exited(exited.clone()));
    assert_eq!(second.next().await, Event::Exited(exited));
    run.until(State::is_told).await;
    assert!(second.answers.recv().await.is_none());
}

#[tokio::test]
async fn signals_reach_the_machine_and_input_does_not() {
    let run = Arc::new(Run::new(&start("boot").unwrap()));
    let machine = Arc::new(Fake::default());
    run.begin(Arc::<Fake>::clone(&machine));
    let mut stream = Stream::open(&run, 0);
    assert!(matches!(stream.next().await, Event::Started(_)));
    let signal = Request::Signal(Signal { number: 15 });
    for event in [signal, Request::Stdin(b"x"[..].into())] {
        stream.requests.send(Ok(ExecRequest { event: Some(event) })).await.unwrap();
    }
    let refused = stream.answers.recv().await.unwrap().unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert_eq!(*machine.0.lock().unwrap(), [15]);
    run.kill().unwrap();
    assert_eq!(*machine.0.lock().unwrap(), [15, 9]);
}

#[test]
fn a_boot_has_an_id() {
    assert!(start("").is_err());
}
