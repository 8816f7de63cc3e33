//! Programs, run to their end.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, ensure};

use crate::interrupt;

/// A line of progress, on stderr.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => {{
        // When nobody reads it, the exit code has to do.
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!("{}\n", format_args!($($argument)*)),
        );
    }};
}

/// A line of what was asked for, on stdout.
#[macro_export]
macro_rules! show {
    ($($argument:tt)*) => {{
        let _ = std::io::Write::write_fmt(
            &mut std::io::stdout(),
            format_args!("{}\n", format_args!($($argument)*)),
        );
    }};
}

pub(crate) fn command<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Runs it on this process's own streams; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = finish(spawn(command)?)?;
    ensure!(status.success(), "`{}` failed: {status}", line(command));
    Ok(())
}

/// Runs it and answers what it wrote to stdout; its stderr is ours.
pub(crate) fn capture(command: &mut Command) -> anyhow::Result<String> {
    let mut child = spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let forwarding = interrupt::forward_to(&child);
    let mut output = Vec::new();
    child.stdout.take().context("stdout")?.read_to_end(&mut output)?;
    let status = wait(&mut child)?;
    drop(forwarding);
    interrupt::check()?;
    ensure!(status.success(), "`{}` failed: {status}", line(command));
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Runs it and hands over each line of its stdout as it comes.
pub(crate) fn each_line(
    command: &mut Command,
    mut line: impl FnMut(&str),
) -> anyhow::Result<ExitStatus> {
    let mut child = spawn(command.stdout(Stdio::piped()))?;
    let forwarding = interrupt::forward_to(&child);
    let stdout = BufReader::new(child.stdout.take().context("stdout")?);
    for bytes in stdout.split(b'\n') {
        line(&String::from_utf8_lossy(&bytes?));
    }
    let status = wait(&mut child)?;
    drop(forwarding);
    interrupt::check()?;
    Ok(status)
}

/// Waits for a child, which a signal to this process ends.
pub(crate) fn finish(mut child: Child) -> anyhow::Result<ExitStatus> {
    let forwarding = interrupt::forward_to(&child);
    let status = wait(&mut child);
    drop(forwarding);
    interrupt::check()?;
    status
}

pub(crate) fn wait(child: &mut Child) -> anyhow::Result<ExitStatus> {
    #[expect(clippy::disallowed_methods, reason = "this module owns the children of this tool")]
    child.wait().context("waiting for a program")
}

pub(crate) fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    interrupt::check()?;
    command.spawn().with_context(|| format!("`{}` could not be started", line(command)))
}

/// Whether a program is there for the calling user or for root.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(Path::new);
    std::env::split_paths(&path)
        .chain(system.map(Path::to_path_buf))
        .any(|directory| directory.join(program).is_file())
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
