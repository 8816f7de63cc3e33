//! What a program of the host's says when it is asked something.
//!
//! Bounded in time and in length: a program that hangs or never stops talking is an error, or what
//! it said by then.

use std::{
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
    time::timeout,
};

/// A program that cannot say its version in this time will not run a machine.
const LIMIT: Duration = Duration::from_secs(30);
/// Of either stream. A version is a line, a program's libraries are some hundred.
const MAX_BYTES: u64 = 64 * 1024;
/// Of a complaint.
const SHOWN_CHARACTERS: usize = 500;

use super::VmmError;
use crate::guest::text::printable;

/// All of it, when the program has ended.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum WordsError {
    #[error("it could not be started")]
    Spawn(#[source] io::Error),
    #[error("it did not end within {LIMIT:?}")]
    Slow,
    #[error("its words could not be read")]
    Io(#[from] io::Error),
}

/// Runs `program` with nothing of this process: an empty environment, no stdin.
///
/// # Cancel safety
/// Safe: a program whose caller has gone is killed.
pub(super) async fn ask(program: &Path, arguments: &[&str]) -> Result<Words, WordsError> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(WordsError::Spawn)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let hearing = async {
        // Beyond its bound a stream is closed: who goes on talking is ended by that.
        let (stdout, stderr) = tokio::try_join!(heard(stdout), heard(stderr))?;
        let status = child.wait().await?;
        Ok(Words { status, stdout, stderr })
    };
    timeout(LIMIT, hearing).await.unwrap_or(Err(WordsError::Slow))
}

/// What `program` says of itself, when it says so without a complaint.
pub(super) async fn version(program: &Path, arguments: &[&str]) -> Result<String, VmmError> {
    let shown = program.display().to_string();
    let not_ready = |stderr| VmmError::NotReady {
        program: shown.clone(),
        what: "its version",
        limit: LIMIT,
        stderr,
    };
    match ask(program, arguments).await {
        Ok(words) if words.status.success() => Ok(words.stdout),
        Ok(words) => {
            let stderr: String = words.stderr.trim().chars().take(SHOWN_CHARACTERS).collect();
            let stderr = stderr.lines().map(printable).collect::<Vec<_>>().join("\n");
            Err(not_ready(format!(": {}: {stderr}", words.status)))
        }
        Err(WordsError::Spawn(source)) => Err(VmmError::Spawn { program: shown, source }),
        Err(error @ (WordsError::Slow | WordsError::Io(_))) => Err(not_ready(format!(": {error}"))),
    }
}

async fn heard(stream: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(MAX_BYTES).read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str) -> Words {
        ask("/bin/sh".as_ref(), &["-c", script]).await.unwrap()
    }

    #[tokio::test]
    async fn both_streams_and_the_end_are_told() {
        let words = shell("echo out; echo err >&2; exit 3").await;
        assert_eq!(words.status.code(), Some(3));
        assert_eq!((words.stdout.as_str(), words.stderr.as_str()), ("out\n", "err\n"));
        let nothing = shell("export -p; cat").await;
        assert!(!nothing.stdout.contains("HOME"), "{}", nothing.stdout);
        let error = ask("/nonexistent".as_ref(), &[]).await.unwrap_err();
        assert!(matches!(error, WordsError::Spawn(_)), "{error:?}");
    }

    #[tokio::test]
    async fn one_that_never_stops_talking_is_cut_short() {
        let words = shell("while :; do echo endless || exit 1; done 2> /dev/null").await;
        assert_eq!(words.stdout.len(), usize::try_from(MAX_BYTES).unwrap());
        assert!(!words.status.success());
    }
}
