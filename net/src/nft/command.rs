//! One call of the program.

use std::{
    fs::File,
    io::{self, Seek as _, Write as _},
    os::unix::process::CommandExt as _,
    process::{Command, ExitStatus},
};

use rustix::{
    fs::MemfdFlags,
    process::{Signal, getpid, getppid, set_parent_process_death_signal},
};

/// Of what it says on its error stream.
const TAIL_BYTES: usize = 4096;

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{program} could not be started; install it with `apt install nftables`")]
    Start { program: &'static str, source: io::Error },
    #[error("{program} {} failed with {status}: {stderr}", arguments.join(" "))]
    Failed { program: &'static str, arguments: Vec<String>, status: ExitStatus, stderr: String },
}

/// Has the kernel take `input`, all of it or nothing.
pub(super) fn load(input: &str) -> Result<(), CommandError> {
    call(&["-f", "-"], Some(input)).map(drop)
}

/// What the program prints.
pub(super) fn call(arguments: &[&str], input: Option<&str>) -> Result<Vec<u8>, CommandError> {
    let program = super::PROGRAM;
    let start = |source| CommandError::Start { program, source };
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(input) = input {
        command.stdin(file(input).map_err(start)?);
    }
    let output = with_caller(&mut command).output().map_err(start)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let from = stderr.len().saturating_sub(TAIL_BYTES);
    let from = (from..=stderr.len()).find(|index| stderr.is_char_boundary(*index)).unwrap_or(0);
    Err(CommandError::Failed {
        program,
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        status: output.status,
        stderr: stderr[from..].trim_end().to_owned(),
    })
}

/// It ends with the thread that starts it, and so before whoever comes after a killed one looks what
/// there is. The thread waits for it: none of ours ends before its program does.
fn with_caller(command: &mut Command) -> &mut Command {
    let caller = getpid();
    // SAFETY: between fork and exec it makes two system calls, which take no lock and allocate
    // nothing; an error is one number.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // The caller may have been killed before.
            if getppid() == Some(caller) { Ok(()) } else { Err(rustix::io::Errno::SRCH.into()) }
        })
    }
}

/// Not a pipe: nobody has to write while the program runs.
fn file(content: &str) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("ruleset", MemfdFlags::CLOEXEC)?);
    file.write_all(content.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt as _, process::Command, thread};

    use rustix::process::Signal;

    use super::with_caller;

    #[test]
    fn a_program_ends_with_who_has_called_it() {
        let start = || with_caller(Command::new("sleep").arg("600")).spawn();
        let left = thread::spawn(start).join().unwrap().unwrap();
        assert_eq!(left.wait_with_output().unwrap().status.signal(), Some(Signal::KILL.as_raw()));
    }

    #[test]
    fn a_program_of_who_waits_runs_to_its_end() {
        let output = with_caller(Command::new("echo").arg("said")).output().unwrap();
        assert_eq!(output.stdout, b"said\n");
    }
}
