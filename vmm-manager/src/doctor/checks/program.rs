//! Other programs, with a limit on all that they do.

use std::{
    io::{self, Read as _, Write as _},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const LIMIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);
const MOST_BYTES: u64 = 64 * 1024;

/// Runs `command` with `input`; its stdout, or in few words why not.
pub(super) fn run(command: &mut Command, input: &[u8]) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "it is not there".to_owned(),
            _ => error.to_string(),
        })?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    if let Some(mut stdin) = child.stdin.take() {
        // Less than a pipe holds: no program that reads nothing keeps us. One that ends early says
        // why itself.
        let _early = stdin.write_all(input);
    }
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if Instant::now() < deadline => thread::sleep(PAUSE),
            None => {
                end(&mut child);
                return Err(format!("it did not end within {LIMIT:?}"));
            }
        }
    };
    if status.success() {
        return Ok(text(stdout));
    }
    Err(format!("it ended with {status}: {}", text(stderr).trim()))
}

#[expect(clippy::disallowed_methods, reason = "it was killed: the wait is the kernel's alone")]
fn end(child: &mut Child) {
    let _ended = child.kill();
    let _reaped = child.wait();
}

/// What is left in a pipe whose writer is gone.
fn text(pipe: Option<impl io::Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let _as_far_as_it_goes = pipe.take(MOST_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_heard_or_its_failure_told() {
        assert_eq!(run(&mut Command::new("cat"), b"said").unwrap(), "said");
        let missing = run(&mut Command::new("/nonexistent/program"), b"").unwrap_err();
        assert_eq!(missing, "it is not there");
        let failed = run(Command::new("sh").args(["-c", "echo why >&2; exit 3"]), b"").unwrap_err();
        assert!(failed.contains("why") && failed.contains('3'), "{failed}");
    }
}
