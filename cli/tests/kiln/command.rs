//! The real binary, with limits on everything that it may do to a test.

use std::{
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::fake::Fake;

pub(crate) const LIMIT: Duration = Duration::from_secs(40);

/// `kiln` with its streams in pipes, its stdin empty, and the fake's socket.
pub(crate) fn kiln(fake: &Fake, arguments: &[&str]) -> Command {
    let mut command = bare();
    command.env("KILN_SOCKET", &fake.socket).args(arguments);
    command
}

/// `kiln` that knows no socket.
pub(crate) fn bare() -> Command {
    // What a background shell has its children ignore, `kiln` would go on ignoring.
    let mut command = Command::new("env");
    command
        .arg("--default-signal=HUP,INT,QUIT,TERM")
        .arg(env!("CARGO_BIN_EXE_kiln"))
        .env_remove("KILN_SOCKET")
        .env_remove("KILN_PROJECT")
        .env("KILN_RECONNECT", "20s")
        // A test leaves nothing in the home of whoever runs it.
        .env("KILN_NO_CONTEXT_CACHE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs to the end; the exit code, stdout and stderr.
pub(crate) async fn run(fake: &Fake, arguments: &[&str]) -> (i32, Vec<u8>, String) {
    finish(kiln(fake, arguments).spawn().unwrap()).await
}

pub(crate) async fn finish(child: Child) -> (i32, Vec<u8>, String) {
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
    let Output { status, stdout, stderr } = output.expect("kiln did not end").unwrap();
    (code(status), stdout, String::from_utf8(stderr).unwrap())
}

pub(crate) async fn ended(child: &mut Child) -> i32 {
    code(tokio::time::timeout(LIMIT, child.wait()).await.expect("kiln did not end").unwrap())
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id().expect("kiln runs")).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| panic!("kiln was killed: {status}"))
}
