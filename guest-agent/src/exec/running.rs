//! A command from its birth to its answer.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use kiln_proto::agent::v1::ExecRequest;
use tokio::{
    net::unix::pipe,
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_stream::Stream;
use tonic::Status;

use super::{
    answers::{Answers, Output},
    born::Born,
    end::{self, Ended},
    input::{self, Stdin},
    output::{Flow, forward},
    program::{Program, became_program},
    refusal::{Refusal, Subject},
};
use crate::{
    command::Command,
    disk_watch::Watching,
    group::OwnedGroup,
    process::Cloned,
    reaper::{Exit, ExitStatus},
};

/// A child with its pipes in the runtime's hands. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Running {
    group: OwnedGroup,
    child: Cloned,
    exit: Exit,
    report: pipe::Receiver,
    stdin: Stdin,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
    at: Instant,
    timeout: Option<Duration>,
    subject: Subject,
}

/// What brought the command to its end.
#[derive(Debug)]
pub(super) enum Cause {
    Exited(ExitStatus),
    TimedOut,
    /// The host has closed the stream.
    Abandoned,
    /// The host has broken the protocol.
    Violated(Status),
    /// The child never became its program.
    NoProgram(Refusal),
}

impl Running {
    pub(super) fn new(born: Born, command: &Command) -> io::Result<Self> {
        let Born { group, child, exit, report, ends: (stdin, stdout, stderr), at, subject } = born;
        let receiver = |pipe: OwnedFd| pipe::Receiver::from_owned_fd(pipe);
        Ok(Self {
            group,
            child,
            exit,
            report: receiver(report)?,
            stdin: Stdin::new(stdin)?,
            stdout: receiver(stdout)?,
            stderr: receiver(stderr)?,
            at,
            timeout: command.timeout,
            subject,
        })
    }

    pub(super) async fn run(
        self,
        requests: impl Stream<Item = Result<ExecRequest, Status>>,
        answers: Answers,
        watching: Watching,
    ) {
        let Self { group, child, mut exit, report, stdin, stdout, stderr, at, timeout, subject } =
            self;
        let (flow, flowing) = watch::channel(Flow::Held);
        let life = async {
            let work = async {
                match became_program(report).await {
                    Program::Running => {}
                    Program::Missing(failure) => {
                        return Cause::NoProgram(Refusal::from_failure(failure, &subject));
                    }
                }
                if answers.started(child.pid.as_raw_pid().unsigned_abs()).await.is_err() {
                    return Cause::Abandoned;
                }
                flow.send_replace(Flow::Open);
                tokio::select! {
                    biased;
                    status = &mut exit => Cause::Exited(end::status(status)),
                    violation = input::feed(requests, stdin, child.pidfd.as_fd(), &*group) => {
                        Cause::Violated(violation)
                    }
                }
            };
            let cause = tokio::select! {
                biased;
                cause = work => cause,
                () = deadline(at, timeout) => Cause::TimedOut,
                () = answers.closed() => Cause::Abandoned,
            };
            let ended = Ended::bury(&*group, cause, exit, at).await;
            // Whoever could write has gone, or will not go any more.
            flow.send_replace(Flow::Closing);
            ended
        };
        let (ended, (), ()) = tokio::join!(
            life,
            forward(stdout, Output::Stdout, &answers, flowing.clone()),
            forward(stderr, Output::Stderr, &answers, flowing.clone()),
        );
        ended.tell(answers, &*group, watching).await;
    }
}

/// # Cancel safety
/// Safe.
async fn deadline(at: Instant, timeout: Option<Duration>) {
    match timeout.and_then(|timeout| at.checked_add(timeout)) {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
