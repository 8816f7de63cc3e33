//! A boot: a machine in the place of a command. Its output is the console's, and its end is what its init
//! says of it.
//!
//! ```text
//! BootStart ──▶ disk, init ──▶ process 1 has become it ──▶ up ──▶ its init told an exit ──▶ exited
//!     │            │                    │                   │                │
//!     ▼            ▼                    ▼                   ▼                └─▶ the init may go on
//!  invalid    no root, no init   not executable     off: the stream breaks
//! ```
//!
//! A machine that goes off without such a word takes the agent with it, so its end is the host's to see.
//! At the time limit the end is told, and the machine runs on: it goes with the VM, which is the host's.

use std::{future::pending, io, pin::pin, sync::Arc, time::Duration};

use kiln_proto::agent::v1::{
    BootStart, DiskFull, ExecExited, ExecRefused, exec_exited::Status as WireStatus,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    Engine, agent,
    output::{Flow, Output, Source, pump},
    pipe::Pipe,
    refusal::Refusal,
    run::{Alive, End, Run, State},
    running::deadline,
};
use crate::{
    disk_watch::Watching,
    machine::{self, Booted, Ending, Kind, Machine, Probe, Reports},
    offload::offload,
    process::TerminalSize,
};

/// How long an end that is told may take to reach the host. The init waits for two seconds.
const TOLD_LIMIT: Duration = Duration::from_millis(1500);
/// From the agent's stream to the host.
const SENT_LIMIT: Duration = Duration::from_millis(100);

/// Process 1, as what runs.
struct Living {
    machine: Arc<Machine>,
    kind: Kind,
}

impl Alive for Living {
    fn pid(&self) -> u32 {
        1
    }

    fn signal(&self, number: i32) -> io::Result<()> {
        match number {
            libc::SIGTERM => machine::ask_to_end(self.kind),
            number => machine::signal(number),
        }
    }

    fn kill(&self) -> io::Result<()> {
        self.machine.kill();
        Ok(())
    }

    fn resize(&self, _size: TerminalSize) -> io::Result<()> {
        Ok(())
    }
}

enum Cause {
    Told(Ending),
    TimedOut,
}

/// Boots it and tells of it, whoever listens.
pub(super) async fn run(
    engine: Engine,
    start: BootStart,
    machine: Arc<Machine>,
    run: &Run,
    watching: Watching,
) {
    let at = Instant::now();
    let limit = Some(start.timeout_millis).filter(|millis| *millis != 0).map(Duration::from_millis);
    match boot(start, &machine).await {
        Ok(Whole { kind, console, slave: _slave, reports, probe }) => {
            run.begin(Arc::new(Living { machine, kind }));
            let mut hearing = pin!(reports.hear());
            let living = async {
                let up = async {
                    run.is_up(machine::up(&engine, kind, &probe, reports.told()).await);
                    pending().await
                };
                let lived = live(run, console, &reports, (at, limit));
                let cause = tokio::select! {
                    cause = lived => cause,
                    never = up => never,
                };
                run.end(End::Exited(exited(&cause, at, watching).await));
                let told = timeout(TOLD_LIMIT, run.until(State::is_told)).await;
                if told.is_ok() {
                    sleep(SENT_LIMIT).await;
                }
            };
            tokio::select! {
                () = &mut hearing => {}
                () = living => {}
            }
        }
        Err(refusal) => run.end(End::Refused(ExecRefused::from(&refusal))),
    }
}

/// A machine with all that is the agent's of it.
struct Whole {
    kind: Kind,
    console: Pipe,
    slave: std::os::fd::OwnedFd,
    reports: Reports,
    probe: Probe,
}

async fn boot(mut start: BootStart, machine: &Arc<Machine>) -> Result<Whole, Refusal> {
    let probe = Probe::try_from(start.probe.take())?;
    // The init connects before it does anything else.
    let reports = Reports::listen().map_err(agent("listen to the init"))?;
    let booting = Arc::clone(machine);
    let booted = offload("boot", move || booting.boot(&start)).await;
    let booted = booted.map_err(agent("start a thread"))?;
    let Booted { kind, master, slave } = booted.map_err(Refusal::from)?;
    let console = Pipe::reader(master).map_err(agent("watch the console"))?;
    Ok(Whole { kind, console, slave, reports, probe })
}

/// Until there is nothing more to tell. What the init has written before it told of an end is out by then.
async fn live(
    run: &Run,
    console: Pipe,
    reports: &Reports,
    (at, limit): (Instant, Option<Duration>),
) -> Cause {
    let (flow, flowing) = watch::channel(Flow::Open);
    let mut told = reports.told();
    let life = async {
        let ending = async {
            match told.wait_for(|told| told.ending.is_some()).await.map(|told| told.ending) {
                Ok(Some(ending)) => ending,
                // The sender outlives us, and the value is as it was waited for.
                Ok(None) | Err(_) => pending().await,
            }
        };
        let cause = tokio::select! {
            biased;
            ending = ending => Cause::Told(ending),
            () = deadline(at, limit) => Cause::TimedOut,
        };
        flow.send_replace(Flow::Closing);
        cause
    };
    let sources = [Source::new(Output::Stdout, Arc::new(console)), Source::none(Output::Stderr)];
    let mut as_it_is = None;
    tokio::join!(life, pump(sources, run, flowing, &mut as_it_is)).0
}

async fn exited(cause: &Cause, at: Instant, watching: Watching) -> ExecExited {
    let (status, timed_out) = match cause {
        Cause::Told(Ending { status }) => (WireStatus::Code(i32::from(*status)), false),
        Cause::TimedOut => (WireStatus::Signal(libc::SIGKILL), true),
    };
    ExecExited {
        status: Some(status),
        out_of_memory: false,
        timed_out,
        memory_peak_bytes: 0,
        duration_nanos: u64::try_from(at.elapsed().as_nanos()).unwrap_or(u64::MAX),
        disk_full: watching.finish().await.map(DiskFull::from),
        unkillable: 0,
    }
}

#[cfg(test)]
mod tests;
