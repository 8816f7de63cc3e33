//! A command's output on its way into the window.

mod window;

use std::{
    io::{self, ErrorKind},
    sync::Arc,
};

use kiln_proto::agent::MAX_CHUNK_BYTES;
use tokio::{
    sync::watch,
    time::{Duration, Instant, sleep_until},
};

pub(crate) use self::window::Output;
pub(super) use self::window::{Chunk, NoSuchOffset, NotSent, Window};
use super::{pipe::Pipe, run::Run, work::Work};
use crate::{kmsg, transport::MAX_WRITE_BYTES};

/// How long a stream of small pieces is left to grow.
const GATHER: Duration = Duration::from_millis(1);

/// What the output may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Nothing, until the command is known to be its program.
    Held,
    Open,
    /// Give what is in the pipes and end: whoever still holds them open cannot be killed.
    Closing,
}

/// One of the command's streams, or its terminal.
#[derive(Debug)]
pub(super) struct Source {
    output: Output,
    /// `None` when it has ended.
    pipe: Option<Arc<Pipe>>,
    pace: Pace,
}

impl Source {
    pub(super) fn new(output: Output, pipe: Arc<Pipe>) -> Self {
        Self { output, pipe: Some(pipe), pace: Pace::default() }
    }

    /// Never at a stream that there is not.
    pub(super) fn none(output: Output) -> Self {
        Self { output, pipe: None, pace: Pace::default() }
    }

    /// Reads when it is time for more.
    ///
    /// # Cancel safety
    /// Safe.
    async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(next) = self.pace.next {
            sleep_until(next).await;
        }
        match &self.pipe {
            Some(pipe) => pipe.read(buffer).await,
            None => std::future::pending().await,
        }
    }

    /// How much there is of it; at its end there is nothing.
    fn take(&mut self, read: io::Result<usize>) -> usize {
        match read {
            Ok(0) => self.pipe = None,
            Ok(length) => {
                self.pace.keep(length);
                return length;
            }
            Err(error) => {
                kmsg::error(format_args!("{:?} of a command cannot be read: {error}", self.output));
                self.pipe = None;
            }
        }
        0
    }
}

/// Reads as fast as the window takes it, both streams in turn, until both have ended or nothing is
/// left when closing. Returns early when nobody will ask for it.
pub(super) async fn pump(
    mut sources: [Source; 2],
    run: &Run,
    mut flow: watch::Receiver<Flow>,
    work: &mut Option<Box<dyn Work>>,
) {
    // The sender lives as long as we are polled.
    let _ = flow.wait_for(|flow| *flow != Flow::Held).await;
    // One of each: both are read to, and only one is read from.
    let (mut near, mut far) = (vec![0; MAX_CHUNK_BYTES], vec![0; MAX_CHUNK_BYTES]);
    while sources.iter().any(|source| source.pipe.is_some()) {
        let room = room(run).await;
        if run.is_abandoned() {
            return;
        }
        let [stdout, stderr] = &mut sources;
        // At random where both are ready: a flood on one lets the other through.
        let (output, data) = tokio::select! {
            read = stdout.read(&mut near[..room]) => (stdout.output, &near[..stdout.take(read)]),
            read = stderr.read(&mut far[..room]) => (stderr.output, &far[..stderr.take(read)]),
            _ = flow.wait_for(|flow| *flow == Flow::Closing) => break,
        };
        push(output, data, run, work).await;
    }
    for source in &mut sources {
        drain(source, &mut near, run, work).await;
    }
}

/// To the pipe's end, or until it is empty.
async fn drain(
    source: &mut Source,
    buffer: &mut [u8],
    run: &Run,
    work: &mut Option<Box<dyn Work>>,
) {
    while let Some(pipe) = source.pipe.clone() {
        let room = room(run).await;
        if run.is_abandoned() {
            return;
        }
        match pipe.read_now(&mut buffer[..room]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            read => {
                let length = source.take(read);
                push(source.output, &buffer[..length], run, work).await;
            }
        }
    }
}

/// At most as much as there is room for; what comes of it in its stead waits for its room.
async fn push(output: Output, data: &[u8], run: &Run, work: &mut Option<Box<dyn Work>>) {
    match work {
        None => run.push(output, data),
        Some(work) => write(&work.translate(output, data), run).await,
    }
}

/// To stdout, however much it is.
pub(super) async fn write(mut data: &[u8], run: &Run) {
    while !data.is_empty() && !run.is_abandoned() {
        let (now, later) = data.split_at(room(run).await.min(data.len()));
        run.push(Output::Stdout, now);
        data = later;
    }
}

/// Resolves when there is some, or nobody needs it.
async fn room(run: &Run) -> usize {
    run.until(|state| state.window.room() > 0 || state.is_abandoned()).await;
    run.room().min(MAX_CHUNK_BYTES)
}

/// Whether a command writes much in small pieces.
#[derive(Debug, Default)]
struct Pace {
    last: Option<Instant>,
    /// Not to be read before.
    next: Option<Instant>,
}

impl Pace {
    /// Each piece costs the wire the same, whatever its size, and the agent reads faster than most
    /// programs write: a program that keeps writing is given time to fill its pipe. What stands
    /// alone goes out at once.
    fn keep(&mut self, length: usize) {
        let now = Instant::now();
        let before = self.last.replace(now);
        let gather =
            length < MAX_WRITE_BYTES && before.is_some_and(|before| now - before < 2 * GATHER);
        self.next = gather.then_some(now + GATHER);
    }
}
