//! `ExecInJob`: one more command in the guest of a running job.
//!
//! It has no id, so the agent kills it when its stream goes: nothing of it outlives its client, and
//! nothing of it is written down.

mod input;

use std::time::Duration;

use kiln_proto::v1::{self, exec_in_job_response::Event};
use tokio::{sync::mpsc, task::JoinSet};
use tonic::{Status, Streaming};

use super::{
    caller::Caller,
    incoming,
    jobs::{Answers, JobApi, answers},
    outgoing, status,
};
use crate::{
    guest::{
        Command, ExecEvent, ExecExit, ExecOutput, ExecStatus, Guest, RefusalReason, TerminalSize,
    },
    job::{Exec, ExitStatus, Failure, FailureClass, JobId, Phase, State, Work},
    store::JobHandle,
};

/// Until the agent has begun the command or refused it.
const START: Duration = Duration::from_secs(60);

type Sender = mpsc::Sender<Result<v1::ExecInJobResponse, Status>>;

impl JobApi {
    pub(super) async fn exec(
        &self,
        caller: &Caller,
        mut requests: Streaming<v1::ExecInJobRequest>,
    ) -> Result<Answers<v1::ExecInJobResponse>, Status> {
        let (id, exec) = incoming::exec_in_job(requests.message().await?)?;
        let handle = self.find(caller, &id).await?;
        if let Work::Rootfs(_) = handle.spec().work {
            return Err(is_the_hosts(&id));
        }
        let guest = handle.guest().ok_or_else(|| no_guest(&handle))?;
        let (answers, stream) = answers();
        tokio::spawn(async move {
            let last = tokio::select! {
                last = run(guest, exec, requests, &answers) => last,
                () = answers.closed() => return,
            };
            let last = last.map(|event| v1::ExecInJobResponse { event: Some(event) });
            let _ = answers.send(last).await;
        });
        Ok(stream)
    }
}

/// Returns what is said last.
async fn run(
    guest: Guest,
    exec: Exec,
    requests: Streaming<v1::ExecInJobRequest>,
    answers: &Sender,
) -> Result<Event, Status> {
    let takes = input::Takes { stdin: exec.stdin, terminal: exec.terminal.is_some() };
    let started = guest.exec(command(exec)).await;
    // Not held longer than the call: a clone keeps the connection to the guest.
    drop(guest);
    let (sender, mut output) = started.map_err(|error| status::guest(&error))?;
    // A task of its own: a command that does not read must not hold up its output. It ends with
    // this one.
    let mut input = JoinSet::new();
    input.spawn(input::forward(requests, sender, takes));
    let carried = carry(&mut output, answers);
    tokio::pin!(carried);
    loop {
        tokio::select! {
            biased;
            last = &mut carried => return last,
            Some(refused) = input.join_next() => if let Ok(Err(status)) = refused {
                return Err(status);
            },
        }
    }
}

/// Carries output as fast as the client reads it; what the command ended with.
async fn carry(output: &mut ExecOutput, answers: &Sender) -> Result<Event, Status> {
    loop {
        let event = match output.next().await.map_err(|error| status::guest(&error))? {
            ExecEvent::Started { .. } | ExecEvent::StdinTaken { .. } | ExecEvent::Up(_) => continue,
            ExecEvent::Stdout(data) => Event::Stdout(data),
            ExecEvent::Stderr(data) => Event::Stderr(data),
            ExecEvent::Exited(exit) => {
                return Ok(Event::Exit(outgoing::exit_status(exited(&exit))));
            }
            ExecEvent::Refused { reason, message } => {
                return Ok(Event::Failure(outgoing::failure(&refused(reason, message))));
            }
        };
        let answer = Ok(v1::ExecInJobResponse { event: Some(event) });
        // A client that is gone ends this from outside.
        let _ = answers.send(answer).await;
    }
}

fn command(exec: Exec) -> Command {
    let Exec { argv, env, workdir, user, stdin, terminal } = exec;
    Command {
        env,
        workdir,
        user,
        stdin,
        terminal: terminal.map(|size| TerminalSize { rows: size.rows, columns: size.columns }),
        ..Command::new(argv, START)
    }
}

/// A limit that killed it shows as the SIGKILL that it was.
fn exited(exit: &ExecExit) -> ExitStatus {
    match exit.status {
        _ if exit.out_of_memory || exit.timed_out => ExitStatus::signal(9),
        ExecStatus::Code(code) => ExitStatus::code(code),
        ExecStatus::Signal(signal) => ExitStatus::signal(signal),
    }
}

fn refused(reason: RefusalReason, message: String) -> Failure {
    let (class, name) = match reason {
        RefusalReason::NotFound => (FailureClass::User, "not_found"),
        RefusalReason::NotExecutable => (FailureClass::User, "not_executable"),
        RefusalReason::UnknownUser => (FailureClass::User, "unknown_user"),
        RefusalReason::BadWorkdir => (FailureClass::User, "bad_workdir"),
        RefusalReason::Invalid => (FailureClass::Infrastructure, "invalid"),
        RefusalReason::Agent => (FailureClass::Infrastructure, "agent"),
        RefusalReason::PartsLost => (FailureClass::Infrastructure, "parts_lost"),
        RefusalReason::Unsupported => (FailureClass::User, "unsupported"),
    };
    Failure::new(class, message).with("reason", name)
}

/// The host puts its name to what such a guest makes: who has a shell in it could make anything.
fn is_the_hosts(id: &JobId) -> Status {
    Status::failed_precondition(format!(
        "job {id} makes a root filesystem, and nobody is let into the machine that does: \
         `kiln boot --job {id}` boots what it has made"
    ))
}

fn no_guest(handle: &JobHandle) -> Status {
    let id = handle.id();
    let why = match handle.snapshot().state {
        State::Queued => "it waits in the queue",
        State::Running { phase: Phase::Preparing, .. } => "its VM is not up yet",
        State::Running { .. } => "its VM is being taken up or given back",
        State::Ended { .. } => "it has ended",
    };
    Status::failed_precondition(format!("job {id} has no running guest: {why}"))
}
