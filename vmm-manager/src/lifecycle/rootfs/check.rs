//! Boots what was just made, in a machine of its own that reaches nothing.
//!
//! It is never taken up again: a kilnd that comes back ends it, and begins the whole check anew.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use crate::{
    disk::BOOT_SERIAL,
    guest::{BootCommand, ExecEvent, GuestError, RefusalReason, text},
    job::{BootCheck, BootRecord, ExitStatus, Failure, FailureClass, Step, Up, rootfs::MadeRootfs},
    lifecycle::{
        Host, boot,
        end::{self, EXPLANATION},
        given::Purpose,
        greeted::Greeted,
        interrupt::{Interrupted, unless_cancelled},
        taken::Taken,
        work::{Sink, WorkError, log_failure, stalled},
    },
    store::JobHandle,
    stream::Stream,
    vmm::VmExit,
};

/// Of the console, in the record.
const TAIL_BYTES: usize = 4096;

/// Answers when it is up, and its machine is gone.
pub(super) async fn check(
    host: &Host,
    job: &JobHandle,
    asked: &BootCheck,
    made: &MadeRootfs,
    sink: &mut Sink,
) -> Result<BootRecord, Interrupted> {
    job.begin_step(Step::Check).detach();
    let taken = Taken::take(host, job, Purpose::Check).await?;
    let created = taken.create(host, job).await?;
    let booted = created.boot(host, job).await?;
    let greeted = booted.greet(host, job).await?;
    let mut console = Console::default();
    let tried = async {
        tokio::select! {
            tried = try_it(host, job, asked, made, &greeted, sink, &mut console) => tried,
            failure = stalled(greeted.machine(), Step::Check) => Err(failure),
        }
    };
    let tried = unless_cancelled(job.cancellation(), tried).await;
    greeted.release(job).await;
    match tried? {
        Ok(up) => {
            let console_tail = console.text("");
            Ok(BootRecord { up: Some(up), console_tail, ..BootRecord::default() })
        }
        Err(down) => {
            let failure = down.failure();
            let exit = down.exit();
            let console_tail = console.text(down.serial());
            let record = BootRecord { exit, console_tail, ..BootRecord::default() };
            job.record_boot(Arc::new(record)).detach();
            Err(failure.into())
        }
    }
}

/// Why it is not up.
#[derive(Debug)]
enum Down {
    Late(Duration),
    Exited(ExitStatus),
    Ended { exit: VmExit, serial: String },
    Refused(String),
}

async fn try_it(
    host: &Host,
    job: &JobHandle,
    asked: &BootCheck,
    made: &MadeRootfs,
    greeted: &Greeted,
    sink: &mut Sink,
    console: &mut Console,
) -> Result<Result<Up, Down>, Failure> {
    let command = BootCommand {
        id: job.id().to_string(),
        output_offset: 0,
        timeout: None,
        start_limit: host.limits.exec,
        disk: BOOT_SERIAL.to_owned(),
        init: made.converted.init().to_owned(),
        arguments: Vec::new(),
        probe: asked.probe.clone(),
    };
    let late = Instant::now() + asked.timeout;
    let (input, mut output) = match greeted.guest.boot(command).await {
        Ok(streams) => streams,
        Err(error) => return silent(error, greeted).await.map(Err),
    };
    let (mut offset, mut ended) = (0, None);
    loop {
        let event = tokio::select! {
            event = output.next() => event,
            () = sleep_until(late) => return Ok(Err(Down::Late(asked.timeout))),
            // What it wrote last is mostly on its way still.
            _ = greeted.machine().wait(), if ended.is_none() => {
                ended = Some(Instant::now() + EXPLANATION);
                continue;
            }
            () = sleep_until(ended.unwrap_or(late)), if ended.is_some() => {
                return silent(boot::gone(), greeted).await.map(Err);
            }
        };
        match event {
            Ok(ExecEvent::Started { .. } | ExecEvent::StdinTaken { .. }) => {}
            Ok(ExecEvent::Stdout(data) | ExecEvent::Stderr(data)) => {
                offset += data.len() as u64;
                console.add(&data);
                append(sink, data).await?;
                input.taken(offset);
            }
            Ok(ExecEvent::Up(said)) => return Ok(Ok(boot::up(greeted, said))),
            Ok(ExecEvent::Exited(exit)) => return Ok(Err(Down::Exited(boot::status(&exit)))),
            Ok(ExecEvent::Refused { reason, message }) => {
                return refused(reason, message).map(Err);
            }
            Err(error) => return silent(error, greeted).await.map(Err),
        }
    }
}

async fn append(sink: &mut Sink, data: Bytes) -> Result<(), Failure> {
    match sink.append(Stream::Stdout, data).await {
        Ok(()) => Ok(()),
        Err(WorkError::Log(error)) => Err(log_failure(&error)),
        Err(WorkError::Guest(error)) => Err(Failure::infrastructure(Step::Check, &error)),
        Err(WorkError::Events(what)) => Err(Failure::new(FailureClass::Policy, what)),
    }
}

fn refused(reason: RefusalReason, message: String) -> Result<Down, Failure> {
    match reason {
        RefusalReason::NotFound | RefusalReason::NotExecutable | RefusalReason::Unsupported => {
            Ok(Down::Refused(message))
        }
        RefusalReason::Invalid => Err(end::not_bootable(Step::Check, message)),
        RefusalReason::UnknownUser
        | RefusalReason::BadWorkdir
        | RefusalReason::Agent
        | RefusalReason::PartsLost => {
            Err(Failure::new(FailureClass::Infrastructure, message).with("step", Step::Check))
        }
    }
}

/// A guest that went: by itself, or under us.
async fn silent(error: GuestError, greeted: &Greeted) -> Result<Down, Failure> {
    let error = error.explained_by(greeted.machine(), EXPLANATION).await;
    match error {
        GuestError::MachineExited {
            exit: exit @ (VmExit::PoweredOff | VmExit::Reset),
            serial,
            ..
        } => Ok(Down::Ended { exit, serial: serial.text() }),
        error => Err(end::guest_failure(Step::Check.name(), error, greeted.machine()).await),
    }
}

impl Down {
    fn failure(&self) -> Failure {
        let (why, words) = match self {
            Self::Late(limit) => ("timeout", format!("it was not up within {limit:?}")),
            Self::Exited(ExitStatus { code, signal: None }) => {
                ("exited", format!("its command exited with code {code} before it was up"))
            }
            Self::Exited(ExitStatus { signal: Some(signal), .. }) => {
                ("exited", format!("its command was killed by signal {signal} before it was up"))
            }
            Self::Ended { exit, .. } => ("ended", format!("its machine ended: {exit}")),
            Self::Refused(message) => ("refused", format!("it can't be booted: {message}")),
        };
        let message = format!(
            "the root filesystem does not boot: {words}; its console is the end of the job's log, \
             and a check that is turned off lets it through"
        );
        Failure::new(FailureClass::User, message)
            .with("step", Step::Check)
            .with("reason", "boot_check")
            .with("why", why)
    }

    fn exit(&self) -> Option<ExitStatus> {
        match self {
            Self::Exited(exit) => Some(*exit),
            Self::Late(_) | Self::Ended { .. } | Self::Refused(_) => None,
        }
    }

    /// What its kernel said last.
    fn serial(&self) -> &str {
        match self {
            Self::Ended { serial, .. } => serial,
            Self::Late(_) | Self::Exited(_) | Self::Refused(_) => "",
        }
    }
}

/// The end of what was written to it.
#[derive(Debug, Default)]
struct Console {
    bytes: VecDeque<u8>,
    /// Its first line is no whole one.
    is_cut: bool,
}

impl Console {
    fn add(&mut self, data: &[u8]) {
        let all = self.bytes.len() + data.len();
        self.is_cut |= all > TAIL_BYTES;
        self.bytes.extend(&data[data.len().saturating_sub(TAIL_BYTES)..]);
        let over = self.bytes.len().saturating_sub(TAIL_BYTES);
        self.bytes.drain(..over);
    }

    /// Whole lines of what fits, what the kernel said behind them.
    fn text(&self, serial: &str) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let console = String::from_utf8_lossy(&bytes);
        let lines = console
            .lines()
            .skip(usize::from(self.is_cut))
            .chain(serial.lines())
            .map(text::printable);
        let mut kept = VecDeque::new();
        let mut room = TAIL_BYTES;
        for line in lines.collect::<Vec<_>>().into_iter().rev() {
            let Some(left) = room.checked_sub(line.len() + 1) else { break };
            room = left;
            kept.push_front(line);
        }
        Vec::from(kept).join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_console_the_last_lines_are_kept() {
        let mut console = Console::default();
        for number in 0..10_000 {
            console.add(format!("line {number}\r\n").as_bytes());
        }
        console.add(b"\x1b[31mred");
        let text = console.text("Kernel panic\n");
        assert!(text.len() <= TAIL_BYTES);
        assert!(text.ends_with("line 9999\n\u{fffd}[31mred\nKernel panic"), "{text}");
        assert!(text.starts_with("line "), "{text}");
        assert_eq!(Console::default().text(""), "");
        console.add(&vec![b'x'; 10_000]);
        assert_eq!(console.text(""), "", "no part of a line");
    }

    #[test]
    fn what_went_wrong_is_told_apart() {
        let check = |down: Down, why: &str, words: &str| {
            let failure = down.failure();
            assert_eq!(failure.class, FailureClass::User);
            assert_eq!(failure.details["reason"], "boot_check");
            assert_eq!(failure.details["why"], why);
            assert!(failure.message.contains(words), "{failure:?}");
        };
        check(Down::Late(Duration::from_secs(120)), "timeout", "within 120s");
        check(Down::Exited(ExitStatus::code(3)), "exited", "code 3");
        check(Down::Exited(ExitStatus::signal(9)), "exited", "signal 9");
        let ended = Down::Ended { exit: VmExit::Reset, serial: String::new() };
        check(ended, "ended", "reset itself");
        check(Down::Refused("no /sbin/init".to_owned()), "refused", "no /sbin/init");
    }
}
