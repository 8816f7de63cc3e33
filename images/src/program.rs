//! Programs of the host, run to their end.
//!
//! One runs at a time, and [`interrupt`] ends it in the way that suits it: the code that waits for
//! it then fails with [`ProgramError::Interrupted`] and undoes what it did on its way out.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read, Write},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open,
    pidfd_send_signal, waitid,
};

/// How much of the end of stderr goes into an error.
const STDERR_TAIL_BYTES: usize = 4096;

/// Written by the signal thread and by whoever runs a program.
static RUNNING: Mutex<Running> = Mutex::new(Running { interrupted: false, child: None });

struct Running {
    interrupted: bool,
    /// Not reaped yet, so its number is nobody else's.
    child: Option<RunningChild>,
}

struct RunningChild {
    pid: Pid,
    ending: Ending,
}

/// How a program is told to end early.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Ending {
    /// SIGTERM.
    #[default]
    Terminate,
    /// SIGTERM to the program and all that it started; it would otherwise wait for them.
    TerminateGroup,
    /// SIGKILL: whatever it leaves is cleaned up by others.
    Kill,
}

impl RunningChild {
    /// Fails only when there is nobody left to signal.
    fn end(&self) {
        let pidfd = |signal| {
            pidfd_open(self.pid, PidfdFlags::empty())
                .and_then(|child| pidfd_send_signal(child, signal))
        };
        let _ = match self.ending {
            Ending::Terminate => pidfd(Signal::TERM),
            Ending::TerminateGroup => kill_process_group(self.pid, Signal::TERM),
            Ending::Kill => pidfd(Signal::KILL),
        };
    }
}

/// Ends the program that runs and lets no other start: for a handler of SIGINT and SIGTERM.
pub fn interrupt() {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.interrupted = true;
    if let Some(child) = &running.child {
        child.end();
    }
}

/// Whether somebody did.
pub fn is_interrupted() -> bool {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).interrupted
}

/// A program and its arguments.
#[derive(Debug)]
pub(crate) struct Program {
    command: Command,
    input: Vec<u8>,
    ending: Ending,
}

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("{program} is not installed: `cargo xtask setup` installs what is missing")]
    Absent { program: String },
    #[error("{program} could not be run")]
    Run { program: String, source: io::Error },
    #[error("`{program} {}` failed: {status}{}", shortened(arguments), indented(stderr))]
    Failed { program: String, arguments: Vec<String>, status: ExitStatus, stderr: String },
    #[error("interrupted")]
    Interrupted,
}

/// The first of them, for some command lines name every package of a system.
fn shortened(arguments: &[String]) -> String {
    const ENOUGH: usize = 160;
    let line = arguments.join(" ");
    match line.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn indented(stderr: &str) -> String {
    stderr.lines().flat_map(|line| ["\n  | ", line]).collect()
}

impl Program {
    /// In the C locale and without standard input.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        Self { command, input: Vec::new(), ending: Ending::default() }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn directory(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// What the program reads from its standard input.
    pub(crate) fn input(mut self, bytes: Vec<u8>) -> Self {
        self.command.stdin(Stdio::piped());
        self.input = bytes;
        self
    }

    pub(crate) fn ending(mut self, ending: Ending) -> Self {
        if matches!(ending, Ending::TerminateGroup) {
            self.command.process_group(0);
        }
        self.ending = ending;
        self
    }

    /// Runs it and answers what it wrote.
    pub(crate) fn output(mut self) -> Result<Vec<u8>, ProgramError> {
        self.command.stdout(Stdio::piped());
        self.finish()
    }

    /// Runs it with its standard output going into a file.
    pub(crate) fn output_into(mut self, file: File) -> Result<(), ProgramError> {
        self.command.stdout(file);
        self.finish().map(drop)
    }

    fn finish(mut self) -> Result<Vec<u8>, ProgramError> {
        let mut child = self.spawn()?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let input = std::mem::take(&mut self.input);
        // All three pipes are served at once, so no order of reads and writes can block.
        let (output, stderr) = thread::scope(|scope| {
            scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(&input)));
            let stderr = scope.spawn(move || stderr.map_or_else(String::new, tail));
            let mut output = Vec::new();
            let read = stdout.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut output));
            (read.map(|_| output), stderr.join().unwrap_or_default())
        });
        // It ends here and is reaped under the lock: nobody signals a number that is free again.
        if let Some(pid) = pid_of(&child) {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), options));
        }
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.child = None;
        #[expect(clippy::disallowed_methods, reason = "this module owns the children of its crate")]
        let status = child.wait();
        if running.interrupted {
            return Err(ProgramError::Interrupted);
        }
        drop(running);
        let status = status.map_err(|source| self.run_error(source))?;
        if status.success() {
            return output.map_err(|source| self.run_error(source));
        }
        let arguments = self.command.get_args().map(OsStr::to_string_lossy).map(String::from);
        Err(ProgramError::Failed {
            program: self.name(),
            arguments: arguments.collect(),
            status,
            stderr,
        })
    }

    fn spawn(&mut self) -> Result<Child, ProgramError> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if running.interrupted {
            return Err(ProgramError::Interrupted);
        }
        let child = self.command.stderr(Stdio::piped()).spawn();
        let child = child.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ProgramError::Absent { program: self.name() },
            _ => self.run_error(source),
        })?;
        let ending = self.ending;
        running.child = pid_of(&child).map(|pid| RunningChild { pid, ending });
        Ok(child)
    }

    fn run_error(&self, source: io::Error) -> ProgramError {
        ProgramError::Run { program: self.name(), source }
    }

    fn name(&self) -> String {
        OsString::from(self.command.get_program()).to_string_lossy().into_owned()
    }
}

fn pid_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

/// Reads a pipe to its end and keeps the last of it, whole lines only.
fn tail(mut pipe: impl Read) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; STDERR_TAIL_BYTES];
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > STDERR_TAIL_BYTES {
            kept.drain(..kept.len() - STDERR_TAIL_BYTES);
        }
    }
    let text = String::from_utf8_lossy(&kept).into_owned();
    match text.split_once('\n') {
        Some((_, whole)) if kept.len() == STDERR_TAIL_BYTES => whole.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("sh").args(["-c", script])
    }

    #[test]
    fn feeds_more_than_a_pipe_holds_and_reads_it_back() {
        let input = vec![b'k'; 1 << 20];
        assert_eq!(shell("cat").input(input.clone()).output().unwrap(), input);
    }

    #[test]
    fn a_failure_keeps_status_and_the_end_of_stderr() {
        let script = "i=0; while [ $i -lt 2000 ]; do echo line $i >&2; i=$((i+1)); done; exit 3";
        let message = shell(script).output().unwrap_err().to_string();
        assert!(message.contains("exit status: 3"), "{message}");
        assert!(message.ends_with("\n  | line 1999"), "{message}");
        assert!(message.len() < 2 * STDERR_TAIL_BYTES);
    }

    #[test]
    fn an_absent_program_is_named() {
        let error = Program::new("kiln-no-such-program").output().unwrap_err();
        assert!(error.to_string().contains("kiln-no-such-program is not installed"));
    }
}
