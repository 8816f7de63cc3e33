//! A command from its birth to its end.

use std::{io, os::fd::AsFd, sync::Arc, time::Duration};

use tokio::{
    net::unix::pipe,
    sync::{oneshot, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    born::Born,
    end::{self, Ended},
    input::{self, Stdin},
    output::{Flow, Output, Source, pump, write},
    pipe::Pipe,
    program::{Program, became_program},
    refusal::{Refusal, Subject},
    run::{End, Living, Run, State},
    work::Work,
};
use crate::{
    disk_watch::Watching,
    process::{Ends, hang_up, send_signal},
    reaper::{Exit, ExitStatus},
};

/// How long a terminal's command that nobody will ask for gets to say good-bye: shells write their
/// history.
const HANG_UP_LIMIT: Duration = Duration::from_millis(250);

/// How long the engine's client gets to say good-bye: it takes seconds for what it takes the engine no
/// time to do without it.
const HURRY_LIMIT: Duration = Duration::from_millis(300);

/// A child with its pipes in the runtime's hands. Dropping it kills it.
pub(super) struct Running {
    living: Arc<Living>,
    exit: Exit,
    report: pipe::Receiver,
    stdin: Stdin,
    sources: [Source; 2],
    at: Instant,
    timeout: Option<Duration>,
    subject: Subject,
    work: Option<Box<dyn Work>>,
    stop: Option<oneshot::Receiver<()>>,
}

/// What brought the command to its end.
#[derive(Debug)]
pub(super) enum Cause {
    Exited(ExitStatus),
    TimedOut,
    /// It has nothing more to do.
    Stopped,
    /// Nobody will ask for it.
    Abandoned,
    /// The child never became its program.
    NoProgram(Refusal),
}

impl Running {
    pub(super) fn new(
        born: Born,
        timeout: Option<Duration>,
        work: Option<(Box<dyn Work>, oneshot::Receiver<()>)>,
    ) -> io::Result<Self> {
        let (work, stop) = work.unzip();
        let Born { group, child, exit, report, ends, at, subject } = born;
        let (stdin, sources, terminal) = match ends {
            Ends::Pipes { stdin, stdout, stderr } => {
                let source = |output, pipe| Ok(Source::new(output, Arc::new(Pipe::reader(pipe)?)));
                let sources: io::Result<_> = source(Output::Stdout, stdout)
                    .and_then(|stdout| Ok([stdout, source(Output::Stderr, stderr)?]));
                let stdin = stdin.map(Pipe::writer).transpose()?;
                (stdin.map_or(Stdin::None, Stdin::Pipe), sources?, None)
            }
            Ends::Terminal { master, slave } => {
                let terminal = Arc::new(Pipe::both(master)?);
                let source = Source::new(Output::Stdout, Arc::clone(&terminal));
                let sources = [source, Source::none(Output::Stderr)];
                let stdin = Stdin::Terminal(Arc::clone(&terminal));
                (stdin, sources, Some((terminal, slave)))
            }
        };
        Ok(Self {
            living: Arc::new(Living { group, child, terminal }),
            exit,
            report: pipe::Receiver::from_owned_fd(report)?,
            stdin,
            sources,
            at,
            timeout,
            subject,
            work,
            stop,
        })
    }

    /// Runs it to its end, whoever listens.
    pub(super) async fn run(self, run: &Run, watching: Watching) {
        let Self { living, mut exit, report, stdin, sources, at, timeout, subject, mut work, stop } =
            self;
        let (flow, flowing) = watch::channel(Flow::Held);
        let life = async {
            let lives = async {
                match became_program(report).await {
                    Program::Running => {}
                    Program::Missing(failure) => {
                        return Cause::NoProgram(Refusal::from_failure(failure, &subject));
                    }
                }
                run.begin(Arc::<Living>::clone(&living));
                flow.send_replace(Flow::Open);
                Cause::Exited(end::status((&mut exit).await))
            };
            let cause = tokio::select! {
                biased;
                cause = lives => cause,
                () = deadline(at, timeout) => Cause::TimedOut,
                () = stopped(stop) => Cause::Stopped,
                () = hurried(run) => Cause::Stopped,
                () = run.until(State::is_abandoned) => Cause::Abandoned,
            };
            let cause = match cause {
                Cause::Abandoned => say_good_bye(&living, &mut exit).await,
                cause => cause,
            };
            let ended = Ended::bury(&*living.group, cause, exit, at).await;
            // Whoever could write has gone, or will not go any more.
            flow.send_replace(Flow::Closing);
            ended
        };
        let all = async { tokio::join!(life, pump(sources, run, flowing, &mut work)) };
        let (ended, ()) = tokio::select! {
            ended = all => ended,
            // Never resolves: it ends with the command.
            () = input::write(stdin, run) => return,
        };
        let mut end = ended.into_end(&*living.group, watching).await;
        if let (Some(work), End::Exited(exited)) = (work, &mut end) {
            let last = work.finish(exited, living.group.memory()).await;
            write(&last, run).await;
        }
        run.end(end);
    }
}

/// To a terminal's command. An exit that was seen is the cause: it is told once.
async fn say_good_bye(living: &Living, exit: &mut Exit) -> Cause {
    let Some((terminal, _)) = &living.terminal else { return Cause::Abandoned };
    hang_up(terminal.as_fd());
    // A process that has ended takes it in silence.
    let _ = send_signal(living.child.pidfd.as_fd(), libc::SIGHUP);
    let exited = timeout(HANG_UP_LIMIT, exit).await;
    exited.map_or(Cause::Abandoned, |status| Cause::Exited(end::status(status)))
}

/// # Cancel safety
/// Safe.
async fn stopped(stop: Option<oneshot::Receiver<()>>) {
    // Who cannot say it any more does not say it.
    let told = match stop {
        Some(stop) => stop.await.is_ok(),
        None => false,
    };
    if !told {
        std::future::pending::<()>().await;
    }
}

/// # Cancel safety
/// Safe.
async fn hurried(run: &Run) {
    run.until(State::is_hurried).await;
    sleep(HURRY_LIMIT).await;
}

/// # Cancel safety
/// Safe.
pub(super) async fn deadline(at: Instant, timeout: Option<Duration>) {
    match timeout.and_then(|timeout| at.checked_add(timeout)) {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
